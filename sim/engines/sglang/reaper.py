"""The release's reaper of sessions, and when it could next find something to do."""

from __future__ import annotations

import heapq
from typing import Any

from sim.engines.sglang.interventions import REAP_INTERVAL

_JUST = 1e-9
_ROUNDING = 1e-6
"""A deadline is a sum, the release's test a difference: they round apart."""


class Reaper:
    """Asks the release to reap; time-outs stand in a heap, as the release would have to look at every session."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self._deadlines: list[tuple[float, int, Any]] = []
        self._deferred: dict[int, Any] = {}
        self._count = 0

    def opened(self, name: str) -> None:
        """A session was opened, or its time-out has changed."""
        session = self._controller.sessions[name]
        if session.timeout is not None:
            self._count += 1
            heapq.heappush(self._deadlines, (session.last_active_time + session.timeout, self._count, session))

    def closed(self, name: str) -> None:
        """A session was asked to close: it may have to wait for its turn."""
        session = self._controller.sessions.get(name)
        if session is not None and getattr(session, "close_on_finish", False):
            self._deferred[id(session)] = session
        self._controller.sessions.removed.clear()

    def due(self, now: float) -> bool:
        """Whether a pass would run now."""
        return bool(now - self._controller._last_reap_time > REAP_INTERVAL)

    def reap(self, now: float) -> tuple[str, ...]:
        """One pass of the release; the sessions that it closed, in its order."""
        sessions = self._controller.sessions
        self._controller.maybe_reap(now)
        removed, sessions.removed = tuple(sessions.removed), []
        self._deferred = {
            at: session for at, session in self._deferred.items() if sessions.get(session.session_id) is session
        }
        looked_at: dict[int, Any] = {}
        while self._deadlines and self._deadlines[0][0] < now + _ROUNDING:
            session = heapq.heappop(self._deadlines)[2]
            if sessions.get(session.session_id) is session:
                looked_at[id(session)] = session
        for at, session in looked_at.items():
            if getattr(session, "close_on_finish", False):
                self._deferred[at] = session
            else:
                self.opened(session.session_id)
        return removed

    def next(self) -> float | None:
        """When a pass could next find something to do."""
        soonest: float | None = None
        if any(self._ready(session) for session in self._deferred.values()):
            soonest = 0.0
        if self._deadlines:
            deadline = self._deadlines[0][0] + _JUST
            soonest = deadline if soonest is None else min(soonest, deadline)
        if soonest is None:
            return None
        return float(max(soonest, self._controller._last_reap_time + REAP_INTERVAL + _JUST))

    @staticmethod
    def _ready(session: Any) -> bool:
        """Whether a close that was put off could now be carried out."""
        return not session._inflight and all(node.req.finished() for node in session.req_nodes.values())
