"""Decision `history`: when a turn becomes the session's history, how many may be live (22790, items 1 and 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sim.scheduler.request import Req
    from sim.scheduler.session import Session


class AtCreate:
    """0.5.10: a new turn replaces the history at once and takes the live turn's session away."""

    decision: ClassVar[str] = "history"
    name: ClassVar[str] = "at-create"

    def refuse(self, session: Session) -> str | None:
        """Any turn is taken."""
        return None

    def created(self, session: Session, req: Req) -> None:
        """The new turn is the history."""
        if session.node is not None:
            session.node.session = None
        session.node = req

    def finished(self, session: Session, req: Req) -> None:
        """It is the history already."""

    def aborted(self, session: Session) -> None:
        """Nothing is noted."""


class AtFinish:
    """22790: one live turn at a time; a turn becomes history when its KV reaches the slot, retract included."""

    decision: ClassVar[str] = "history"
    name: ClassVar[str] = "at-finish"

    def refuse(self, session: Session) -> str | None:
        """Refuse a turn while another is live."""
        return "Streaming session already has an active request." if session.inflight else None

    def created(self, session: Session, req: Req) -> None:
        """The turn is live; the history stays."""
        session.inflight = True

    def finished(self, session: Session, req: Req) -> None:
        """The turn is the history; the turn before it loses its session."""
        session.inflight = False
        if session.node is not None:
            session.node.session = None
        session.node = req

    def aborted(self, session: Session) -> None:
        """No turn is live; the history stays."""
        session.inflight = False
