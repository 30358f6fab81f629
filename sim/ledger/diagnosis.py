"""Why the books are off although the memory is sound: who is counted more, or less, often than once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.scheduler.session import SlotBook

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


@dataclass(frozen=True, slots=True)
class Miscount:
    """One owner whose tokens the release counts wrongly."""

    session: str | None
    request: str | None
    counted: int
    true: int
    text: str


def miscounts(scheduler: Scheduler) -> list[Miscount]:
    """Owners for which `session_held` + `uncached` differs from what they own."""
    memory = scheduler.memory
    held_policy = scheduler.release.held
    active = scheduler.view.active_rows()
    found: list[Miscount] = []
    live: dict[int, tuple[str, int]] = {}
    counted: dict[int, list[tuple[str, str, int]]] = {}
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
    names: dict[int, str] = {}
    true: dict[int, int] = {tag: tokens for tag, (_, tokens) in live.items()}
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
    for tag in sorted(set(true) | set(counted)):
        entries = counted.get(tag, [])
        total = sum(tokens for _, _, tokens in entries)
        if total != true.get(tag, 0):
            found.append(_miscount(tag, entries, total, true.get(tag, 0), names, live))
    return found


def _miscount(
    tag: int, entries: list[tuple[str, str, int]], total: int, true: int, names: dict[int, str],
    live: dict[int, tuple[str, int]],
) -> Miscount:  # fmt: skip
    session = names.get(tag)
    request = next((who for term, who, _ in entries if term == "uncached"), None) or live.get(tag, (None,))[0]
    owner = f"session {session}" if session else f"request {request}"
    if entries:
        terms = " and ".join(f"{tokens} in {term} ({who})" for term, who, tokens in entries)
        text = f"{owner} owns {true} private tokens, the books count {total}: {terms}"
    else:
        text = f"{owner} owns {true} private tokens, the books count none of them"
    return Miscount(session, request, total, true, text)
