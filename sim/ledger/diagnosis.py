"""Why the books are off although the memory is sound: who is counted more, or less, often than once.

Owners first: sessions and requests. Then the tree: a node that counts as what it does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sim.ledger.counted import Entry, Kept, compared, in_tree
from sim.ledger.findings import Miscount
from sim.ledger.owners import Tag
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.session import SessionSlot, SlotBook

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler

Holder: TypeAlias = "Req | SessionSlot"


def miscounts(scheduler: Scheduler, pool: str) -> list[Miscount]:
    """Owners whose `session_held` + `uncached` of a pool is not what they own of it; then nodes of which that is so."""
    memory = scheduler.memory
    held_policy = scheduler.release.held
    active = scheduler.view.active_rows()
    claims, owns = _CLAIMS[pool], _OWNS[pool]
    live: dict[Tag, tuple[str, int]] = {}
    counted: dict[Tag, list[Entry]] = {}
    batched = {id(r): r for batch in scheduler.view.batches() for r in batch.reqs}.values()
    for req in batched:
        if req.counted and (pool != "mamba" or req.row is not None):
            counted.setdefault(req.tag, []).append(("uncached", req.rid, claims(memory, req)))
        if req.row is not None and not req.freed:
            live[req.tag] = (req.rid, owns(memory, req))
    chunked = scheduler.chunked
    if chunked is not None and chunked.row is not None and chunked.tag not in live:
        live[chunked.tag] = (chunked.rid, owns(memory, chunked))
    if pool == "mamba":
        for req in scheduler.waiting:
            # A session's turn that waits has nothing of its own until it is lent what the slot holds.
            if owns(memory, req):
                live.setdefault(req.tag, (req.rid, owns(memory, req)))
    names: dict[Tag, str] = {}
    at_work = {(r.tag, r.row) for r in (*batched, *scheduler.waiting, chunked) if r is not None and r.tag in live}
    true = {tag: tokens for tag, (_, tokens) in live.items()}
    for name, slot in scheduler.cache.slots.items():
        names[slot.tag] = name
        if slot.row is None:
            continue
        if (slot.tag, slot.row) not in at_work:
            true[slot.tag] = true.get(slot.tag, 0) + owns(memory, slot)
        book = SlotBook(memory.page_size, memory.config.pool.names)
        book.post(name, slot)
        tokens = held_policy.tokens(book.of(pool), active)
        if tokens:
            counted.setdefault(slot.tag, []).append(("session_held", name, tokens))
    terms = scheduler.view.books()[pool]
    kept = in_tree(_nodes(memory, pool), terms.evictable + terms.protected, pool)
    return compared(true, counted, names, live, pool) + kept


def _nodes(memory: Memory, pool: str) -> Iterator[Kept]:
    """What each node of the tree counts as in a pool, and what it owns of it."""
    root = memory.tree.root
    stack: list[tuple[Any, int]] = [(node, 0) for node in root.children.values()]
    while stack:
        node, start = stack.pop()
        stop = start + len(node.key)
        stack += [(child, stop) for child in node.children.values()]
        slots = np.asarray(memory.backend.get(node.value)).tolist()
        yield Kept(start, stop, slots, _locked(node, pool), *_kept(memory, node, pool))


def _locked(node: Any, pool: str) -> bool:
    locks: int = node.lock_ref if pool == "full" else getattr(node, "other_lock", 0)
    return locks > 0


def _kept(memory: Memory, node: Any, pool: str) -> tuple[int, int]:
    """As much as the node counts as, and owns."""
    if pool == "full":
        return len(node.key), len(node.key)
    if pool == "mamba":
        states = int(getattr(node, "state", None) is not None)
        return states, states
    assert memory.swa is not None
    halves = memory.swa.mapping[node.value[:: memory.page_size]]
    return 0 if getattr(node, "tombstone", True) else len(node.key), int((halves > 0).sum()) * memory.page_size


def _tokens(memory: Memory, holder: Holder) -> int:
    return memory.ceil(holder.allocated) - holder.protected


def _windowed(memory: Memory, holder: Holder) -> int:
    """As the release counts it."""
    return memory.ceil(holder.allocated) - max(holder.protected, holder.evicted)


def _mapped(memory: Memory, holder: Holder) -> int:
    """As the mapping has it: windowed pages behind the private part of the row."""
    swa, page = memory.swa, memory.page_size
    assert swa is not None
    if holder.row is None:
        return 0
    halves = swa.mapping[memory.rows.read(holder.row, holder.protected, holder.allocated)]
    pages = memory.backend.unique(halves[halves > 0] // page)
    return len(pages) * page


def _states(memory: Memory, holder: Holder) -> int:
    return 0 if holder.state is None else len(holder.state.all)


_CLAIMS: dict[str, Callable[[Memory, Holder], int]] = {"full": _tokens, "swa": _windowed, "mamba": _states}
_OWNS: dict[str, Callable[[Memory, Holder], int]] = {"full": _tokens, "swa": _mapped, "mamba": _states}
