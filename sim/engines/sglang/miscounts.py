"""Why the books of a release are off although its memory is sound: who is counted more, or less, often than once.

Owners first: sessions and requests. What the release counts for one of them is found by asking it: with that one slot,
or that one request, and nothing else. Then the tree: a node that counts as what it does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from sim.engines.sglang.cursors import batched
from sim.engines.sglang.memory import Memory
from sim.engines.sglang.owners import Owners
from sim.engines.sglang.terms import states_of
from sim.ledger.counted import Entry, Kept, compared, in_tree
from sim.ledger.findings import Miscount
from sim.ledger.owners import Tag

_LOCKS = {"full": "full_lock_ref", "swa": "swa_lock_ref", "mamba": "mamba_lock_ref"}


def miscounts(engine: Any, memory: Memory, owners: Owners, pool: str = "full") -> list[Miscount]:
    """Owners whose `session_held` + `uncached` of a pool is not what they own of it; then nodes of which that is so."""
    scheduler = engine.scheduler
    counted: dict[Tag, list[Entry]] = {}
    live: dict[Tag, tuple[str, int]] = {}
    for req in batched(scheduler):
        tokens = _uncached(engine, req, pool)
        if tokens:
            counted.setdefault(owners.request(req), []).append(("uncached", req.rid, tokens))
    for req in memory.requests():
        if req not in scheduler.waiting_queue:
            live[owners.request(req)] = (req.rid, _private(memory, req, pool))
    if pool == "mamba":
        for req in scheduler.waiting_queue:
            # A session's turn that waits has nothing of its own until it is lent what the slot holds.
            if _private(memory, req, pool):
                live.setdefault(owners.request(req), (req.rid, _private(memory, req, pool)))
    names: dict[Tag, str] = {}
    at_work = {(owners.request(r), r.req_pool_idx) for r in memory.requests() if owners.request(r) in live}
    true = {tag: tokens for tag, (_, tokens) in live.items()}
    for name, slot in memory.slots().items():
        tag = owners.slot(name, slot)
        names[tag] = name
        if slot.req_pool_idx is None:
            continue
        if (tag, slot.req_pool_idx) not in at_work:
            true[tag] = true.get(tag, 0) + _private(memory, slot, pool)
        tokens = _held(engine, name, pool)
        if tokens:
            counted.setdefault(tag, []).append(("session_held", name, tokens))
    terms = engine.terms()[pool]
    kept = in_tree(_nodes(memory, pool), terms.evictable + terms.protected, pool)
    return compared(true, counted, names, live, pool) + kept


def _nodes(memory: Memory, pool: str) -> Iterator[Kept]:
    """What each node of the tree counts as in a pool, and what it owns of it."""
    for node, start in memory.nodes():
        locks: int = vars(node).get(_LOCKS[pool], vars(node).get("lock_ref", 0))
        stop = start + len(node.value)
        yield Kept(start, stop, node.value.tolist(), locks > 0, *_kept(memory, node, pool))


def _kept(memory: Memory, node: Any, pool: str) -> tuple[int, int]:
    """As much as the node counts as, and owns."""
    if pool == "full":
        return len(node.value), len(node.value)
    if pool == "mamba":
        states = int(getattr(node, "mamba_value", None) is not None)
        return states, states
    halves = memory.mapped(node.value[:: memory.page].numpy())
    return 0 if getattr(node, "swa_tombstone", True) else len(node.value), int((halves > 0).sum()) * memory.page


def _private(memory: Memory, holder: Any, pool: str = "full") -> int:
    if pool == "mamba":
        return len(states_of(holder))
    if pool == "swa":
        return memory.windowed(holder)
    pages = -(-holder.kv_allocated_len // memory.page)
    return int(pages * memory.page - holder.cache_protected_len)


def _held(engine: Any, name: str, pool: str) -> int:
    """What the books count as held for this slot, every other one left out."""
    cache = engine.scheduler.tree_cache
    slots, cache.slots = cache.slots, {name: cache.slots[name]}
    try:
        if pool == "full":
            return int(engine.scheduler._session_held_tokens())
        held: int = engine.terms()[pool].session_held
        return held
    finally:
        cache.slots = slots


def _uncached(engine: Any, req: Any, pool: str) -> int:
    """What the release counts as uncached for this request, every other one left out."""
    scheduler = engine.scheduler
    if pool == "mamba":
        return 0 if req.kv_committed_freed or req.req_pool_idx is None else len(states_of(req))
    if pool == "swa":
        pages = -(-req.kv_allocated_len // scheduler.page_size)
        past = max(req.cache_protected_len, req.swa_evicted_seqlen)
        counted = not req.kv_committed_freed and (engine.modules.old or req.req_pool_idx is not None)
        return int(pages * scheduler.page_size - past) if counted else 0
    alone = SimpleNamespace(reqs=[req], is_empty=lambda: False)
    try:
        if engine.modules.old:
            return int(scheduler._get_batch_uncached_size(alone))
        with _batches(scheduler, alone):
            return int(scheduler._get_total_uncached_sizes()[0])
    except AssertionError:
        # After a crash it may be half released, which the release takes for impossible.
        pages = -(-req.kv_allocated_len // scheduler.page_size)
        return 0 if req.kv_committed_freed else int(pages * scheduler.page_size - req.cache_protected_len)


@contextmanager
def _batches(scheduler: Any, batch: Any) -> Iterator[None]:
    """This batch is the last and the running one."""
    last, running = scheduler.last_batch, scheduler.running_batch
    scheduler.last_batch = scheduler.running_batch = batch
    try:
        yield
    finally:
        scheduler.last_batch, scheduler.running_batch = last, running
