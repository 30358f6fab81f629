"""Decision `revert`: the state copied for a request that is then refused (21404, 23327).

A match copies a recurrent state before admission is decided. A turn of a session may have borrowed one instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sim.scheduler.memory import Memory
    from sim.scheduler.request import Req


class Never:
    """Before 21404: a refused request keeps the copy while it waits, and no check knows of it."""

    decision: ClassVar[str] = "revert"
    name: ClassVar[str] = "never"

    def refused(self, memory: Memory, req: Req) -> None:
        """Nothing is freed."""


class Always(Never):
    """21404: the refused request's state is freed, also one that its session's slot still names."""

    name: ClassVar[str] = "always"

    def refused(self, memory: Memory, req: Req) -> None:
        """Free the running state, whosever it is."""
        names = req.state
        if memory.states is None or names is None or names.slot is None:
            return
        memory.ledger.about(req.rid, req.session.name if req.session else None)
        memory.states.free([names.slot], req.tag)
        names.slot = None


class Ordinary(Always):
    """23327: what a turn of a session has is left alone."""

    name: ClassVar[str] = "ordinary"

    def refused(self, memory: Memory, req: Req) -> None:
        """Free the running state of a request without a session."""
        if req.session is None:
            super().refused(memory, req)
