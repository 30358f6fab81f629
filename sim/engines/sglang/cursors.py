"""INV-4, INV-5 and INV-7 on a release: cursors of live requests and slots, who shares a row, who holds which lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from sim.engines.sglang.memory import Memory
from sim.engines.sglang.owners import session_name
from sim.ledger.findings import Breach
from sim.ledger.limits import Limits


class Cursors:
    """Looks at one scheduler."""

    def __init__(self, engine: Any, memory: Memory) -> None:
        self._scheduler = engine.scheduler
        self._memory = memory
        windowed = bool(getattr(engine.scheduler, "is_hybrid_swa", False))
        self._limits = Limits(page=memory.page, width=memory.width, windowed=windowed)
        self._prefill = -1

    def requests(self) -> Iterator[Breach]:
        """Requests in a batch whose cursors are out of order; after a prefill also those that share a row."""
        holders: dict[int, Any] | None = {} if self._prefilled() else None
        for req in batched(self._scheduler):
            row = req.req_pool_idx
            if row is None:
                continue
            if not req.kv_committed_freed:
                yield from self._limits.request(
                    req.rid, session_name(req), req.cache_protected_len, req.kv_committed_len, req.kv_allocated_len,
                    req.swa_evicted_seqlen,
                )  # fmt: skip
            if holders is not None and not req.finished() and holders.setdefault(row, req) is not req:
                other = holders[row]
                yield Breach(
                    "INV-5", f"row {row}: {other.rid} {req.rid}",
                    f"requests {other.rid} and {req.rid} both work on row {row}",
                    req.rid, session_name(req) or session_name(other), 1,
                )  # fmt: skip

    def _prefilled(self) -> bool:
        """Whether the last batch is a prefill that has not been looked at: a request comes by a row only there."""
        scheduler = self._scheduler
        last = scheduler.last_batch
        if last is None or not last.forward_mode.is_extend() or scheduler.forward_ct == self._prefill:
            return False
        self._prefill = scheduler.forward_ct
        return True

    def slots(self, names: Iterable[str]) -> Iterator[Breach]:
        """Slots of these sessions whose cursors are out of order."""
        slots = self._memory.slots()
        for name in names:
            slot = slots.get(name)
            if slot is None or slot.req_pool_idx is None:
                continue
            yield from self._limits.slot(
                name, slot.cache_protected_len, slot.kv_committed_len, slot.kv_allocated_len, slot.swa_evicted_seqlen
            )

    def locks(self) -> Iterator[Breach]:
        """Nodes that are locked more, or less, often than live requests and slots hold them or something below.

        A request that waits holds nothing: where it was last matched is where it may begin once it is let in.
        """
        nodes = self._memory.nodes()
        if not nodes or self._scheduler.tree_cache.inner.disable:
            return
        waiting = set(map(id, self._scheduler.waiting_queue))
        running = (req for req in self._memory.requests() if id(req) not in waiting)
        holders = (*running, *self._memory.slots().values())
        first, _ = nodes[0]
        name = "lock_ref" if hasattr(first, "lock_ref") else "full_lock_ref"
        held = Counter(id(node) for holder in holders for node in _path(holder.last_node))
        yield from _compared(nodes, name, held, "full")
        if hasattr(first, "swa_lock_ref"):
            held = Counter(id(node) for holder in holders for node in _windowed(holder))
            yield from _compared(nodes, "swa_lock_ref", held, "swa")
        elif hasattr(first, "mamba_lock_ref"):
            with_state = [h.last_node for h in holders if getattr(h.last_node, "mamba_value", None) is not None]
            yield from _compared(nodes, "mamba_lock_ref", Counter(map(id, with_state)), "mamba")


def _compared(nodes: list[tuple[Any, int]], name: str, held: Counter[int], pool: str) -> Iterator[Breach]:
    for node, _ in nodes:
        locks = getattr(node, name)
        if locks != held[id(node)]:
            half = "" if pool == "full" else f" of {pool}"
            what = f"a node of {len(node.value)} tokens has lock_ref{half} {locks}, but {held[id(node)]} hold it"
            yield Breach("INV-7", what, what, None, None, 1, pool)


def _path(node: Any) -> Iterator[Any]:
    while getattr(node, "parent", None) is not None:
        yield node
        node = node.parent


def _windowed(holder: Any) -> Iterator[Any]:
    """The nodes of which a holder has the windowed half locked: up to the one that bears its mark."""
    for node in _path(holder.last_node):
        yield node
        if holder.swa_uuid_for_lock is not None and node.swa_uuid == holder.swa_uuid_for_lock:
            return


def batched(scheduler: Any) -> list[Any]:
    """The requests of the last batch and, if another, of the running one, each once."""
    last, running = scheduler.last_batch, scheduler.running_batch
    if last is None or last is running:
        reqs: list[Any] = running.reqs
        return reqs
    if not running.reqs:
        return list(last.reqs)
    return list({id(req): req for req in (*last.reqs, *running.reqs)}.values())
