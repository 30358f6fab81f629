"""Why the books of a release are off although its memory is sound: who is counted more, or less, often than once.

What the release counts for one owner is found by asking it: with that one slot, or that one request, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from sim.engines.sglang.cursors import batched
from sim.engines.sglang.memory import Memory
from sim.engines.sglang.owners import Owners
from sim.ledger.counted import Entry, compared
from sim.ledger.findings import Miscount
from sim.ledger.owners import Tag


def miscounts(engine: Any, memory: Memory, owners: Owners) -> list[Miscount]:
    """Owners for which `session_held` + `uncached` differs from what they own."""
    scheduler, page = engine.scheduler, memory.page
    counted: dict[Tag, list[Entry]] = {}
    live: dict[Tag, tuple[str, int]] = {}
    for req in batched(scheduler):
        tokens = _uncached(engine, req)
        if tokens:
            counted.setdefault(owners.request(req), []).append(("uncached", req.rid, tokens))
    for req in memory.requests():
        if req not in scheduler.waiting_queue:
            live[owners.request(req)] = (req.rid, _private(req, page))
    names: dict[Tag, str] = {}
    true = {tag: tokens for tag, (_, tokens) in live.items()}
    for name, slot in memory.slots().items():
        tag = owners.slot(name, slot)
        names[tag] = name
        if slot.req_pool_idx is None:
            continue
        true.setdefault(tag, _private(slot, page))
        tokens = _held(scheduler, name)
        if tokens:
            counted.setdefault(tag, []).append(("session_held", name, tokens))
    return compared(true, counted, names, live)


def _private(holder: Any, page: int) -> int:
    pages = -(-holder.kv_allocated_len // page)
    return int(pages * page - holder.cache_protected_len)


def _held(scheduler: Any, name: str) -> int:
    """What the release counts as held for this slot, every other one left out."""
    cache = scheduler.tree_cache
    slots, cache.slots = cache.slots, {name: cache.slots[name]}
    try:
        return int(scheduler._session_held_tokens())
    finally:
        cache.slots = slots


def _uncached(engine: Any, req: Any) -> int:
    """What the release counts as uncached for this request, every other one left out."""
    scheduler = engine.scheduler
    alone = SimpleNamespace(reqs=[req], is_empty=lambda: False)
    try:
        if engine.modules.old:
            return int(scheduler._get_batch_uncached_size(alone))
        with _batches(scheduler, alone):
            return int(scheduler._get_total_uncached_sizes()[0])
    except AssertionError:
        # After a crash it may be half released, which the release takes for impossible.
        return 0 if req.kv_committed_freed else _private(req, scheduler.page_size)


@contextmanager
def _batches(scheduler: Any, batch: Any) -> Iterator[None]:
    """This batch is the last and the running one."""
    last, running = scheduler.last_batch, scheduler.running_batch
    scheduler.last_batch = scheduler.running_batch = batch
    try:
        yield
    finally:
        scheduler.last_batch, scheduler.running_batch = last, running
