"""The single exit: giving back what a request holds.

row: │ cache takes or frees [0, c) │ [ceil(c), a) freed here │        a session's slot takes all of it
"""

from __future__ import annotations

from sim.ledger.owners import REQUEST
from sim.scheduler.forward import Forward
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.streaming import StreamingCache, require
from sim.scheduler.tracking import give_back, names_of


class ReleaseKV:
    """Releases requests that end or are retracted."""

    def __init__(self, memory: Memory, cache: StreamingCache, forward: Forward, *, speculative: bool) -> None:
        self._memory = memory
        self._cache = cache
        self._forward = forward
        self._speculative = speculative

    def __call__(self, req: Req, *, insert: bool) -> None:
        """Release `req`; with `insert` its text stays in the tree."""
        memory = self._memory
        if req.row is None:
            self._before_rows(req)
            return
        memory.ledger.about(req.rid, req.session.name if req.session else None)
        self._forward.ended(req, min(req.committed, req.seqlen))
        self._cache.cache_finished(req, insert)
        row = req.row
        if row is None:
            return
        start, stop = req.committed, req.allocated
        if not self._speculative:
            require(
                start == stop,
                f"Unexpected overallocated KV cache, req.kv_committed_len={start}, req.kv_allocated_len={stop}",
            )
        start = memory.ceil(start)
        if start < stop:
            memory.allocator.free(memory.rows.read(row, start, stop), req.tag)
        if memory.states is not None and not memory.tree.manages_states:
            require(
                names_of(req).slot is not None, "mamba state is freed while the tree cache does not manage mamba states"
            )
            give_back(memory.states, req, row)
        memory.lose_names(row, 0, req.tag, "its row was handed back")
        memory.rows.give_back(row, req.tag)
        req.row = None
        if req.tag & 3 == REQUEST:
            memory.ledger.forget(req.tag)

    def _before_rows(self, req: Req) -> None:
        """A request that was matched and never admitted: a state may have been copied for it."""
        memory = self._memory
        require(memory.tree.manages_states, "Only MambaRadixCache allow freeing before alloc")
        memory.ledger.about(req.rid, req.session.name if req.session else None)
        if memory.states is not None and req.state is not None and req.state.slot is not None:
            memory.states.free([req.state.slot], req.tag)
            req.state.slot = None
        if req.tag & 3 == REQUEST:
            memory.ledger.forget(req.tag)
