"""Why the books are off although the memory is sound: who is counted more, or less, often than once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.ledger.counted import Entry, compared
from sim.ledger.findings import Miscount
from sim.ledger.owners import Tag
from sim.scheduler.session import SlotBook

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


def miscounts(scheduler: Scheduler) -> list[Miscount]:
    """Owners for which `session_held` + `uncached` differs from what they own."""
    memory = scheduler.memory
    held_policy = scheduler.release.held
    active = scheduler.view.active_rows()
    live: dict[Tag, tuple[str, int]] = {}
    counted: dict[Tag, list[Entry]] = {}
    batched = {id(r): r for batch in scheduler.view.batches() for r in batch.reqs}.values()
    for req in batched:
        tokens = memory.ceil(req.allocated) - req.protected
        if req.counted:
            counted.setdefault(req.tag, []).append(("uncached", req.rid, tokens))
        if req.row is not None and not req.freed:
            live[req.tag] = (req.rid, tokens)
    chunked = scheduler.chunked
    if chunked is not None and chunked.row is not None and chunked.tag not in live:
        live[chunked.tag] = (chunked.rid, memory.ceil(chunked.allocated) - chunked.protected)
    names: dict[Tag, str] = {}
    true = {tag: tokens for tag, (_, tokens) in live.items()}
    for name, slot in scheduler.cache.slots.items():
        names[slot.tag] = name
        if slot.row is None:
            continue
        true.setdefault(slot.tag, memory.ceil(slot.allocated) - slot.protected)
        book = SlotBook(memory.page_size)
        book.post(name, slot)
        tokens = held_policy.tokens(book, active)
        if tokens:
            counted.setdefault(slot.tag, []).append(("session_held", name, tokens))
    return compared(true, counted, names, live)
