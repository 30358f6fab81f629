"""Decision `abort`: what becomes of the KV of a turn aborted while it runs (22273; 22790, item 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sim.scheduler.session import SessionSlot, VirtualNode

if TYPE_CHECKING:
    from sim.scheduler.request import Req
    from sim.scheduler.streaming import StreamingCache


def _lose_states(cache: StreamingCache, req: Req) -> None:
    """The stand-in for a first turn's slot knows of no recurrent states: nobody will free them."""
    if cache.memory.states is not None and req.state is not None:
        cache.memory.states.lose(req.state.all, req.tag, f"turn {req.rid} was aborted before its session had a slot")


class Save:
    """0.5.10: like a normal finish: the slot keeps the KV of the aborted turn."""

    decision: ClassVar[str] = "abort"
    name: ClassVar[str] = "save"

    def finish(self, cache: StreamingCache, req: Req, slot: SessionSlot | None) -> bool:
        """Leave it to the ordinary end."""
        return False


class Transient:
    """22273: with a slot present, free what the request itself holds and keep the slot.

    Right for a turn that was refused on arrival; wrong for one that runs on the slot's own row.
    """

    decision: ClassVar[str] = "abort"
    name: ClassVar[str] = "transient"

    def finish(self, cache: StreamingCache, req: Req, slot: SessionSlot | None) -> bool:
        """Free [p, a) and the row."""
        if slot is None or req.row is None:
            return False
        memory, row = cache.memory, req.row
        if req.protected < req.allocated:
            memory.allocator.free(memory.rows.read(row, req.protected, req.allocated), req.tag)
        if not isinstance(req.last_node, VirtualNode):
            cache.unlock(req.last_node)
            memory.lose_names(row, 0, req.tag, "its row was handed back")
        memory.rows.give_back(row, req.tag)
        req.row = None
        req.mark_freed()
        return True


class Nuke:
    """22790: an abort wipes the session's KV and keeps its tokens; the next turn starts from scratch."""

    decision: ClassVar[str] = "abort"
    name: ClassVar[str] = "nuke"

    def finish(self, cache: StreamingCache, req: Req, slot: SessionSlot | None) -> bool:
        """Release the session as if it closed, with everything that the turn allocated."""
        session = req.session
        assert session is not None
        if slot is None:
            slot = cache.slots[session.name] = SessionSlot(session.tag)
            slot.save_all(req)
            _lose_states(cache, req)
        slot.allocated = max(slot.allocated, req.allocated)
        cache.release_session(session.name)
        req.row = None
        req.counted = cache.release.held.counts_rowless
        cache.release.history.aborted(session)
        cache.release.flags.mark(req)
        return True
