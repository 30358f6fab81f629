"""Decision `closing`: closing a session whose turn is still in flight (21875)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sim.scheduler.controller import SessionController
    from sim.scheduler.session import Session


class Immediate:
    """0.5.10: the session's memory is freed under the running turn."""

    decision: ClassVar[str] = "closing"
    name: ClassVar[str] = "immediate"

    def close(self, controller: SessionController, session: Session) -> None:
        """Detach an unfinished turn, release, forget."""
        if session.node is not None and not session.node.finished:
            session.node.session = None
        controller.remove(session)


class Deferred:
    """21875: while a turn is unfinished the session is only marked; the reaper closes it later."""

    decision: ClassVar[str] = "closing"
    name: ClassVar[str] = "deferred"

    def close(self, controller: SessionController, session: Session) -> None:
        """Defer, or detach the last turn, release, forget."""
        if session.inflight or (session.node is not None and not session.node.finished):
            controller.defer(session)
            return
        if session.node is not None:
            session.node.session = None
        controller.remove(session)
