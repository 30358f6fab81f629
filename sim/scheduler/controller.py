"""Opening, closing and timing out sessions."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from sim.ledger.owners import SESSION
from sim.scheduler.request import Req
from sim.scheduler.session import Session, SessionSlot
from sim.scheduler.streaming import StreamingCache

REAP_INTERVAL = 1.0
_ROUNDING = 1e-6
"""A deadline is a sum, the real test a difference: they round apart. Who is looked at too early is put back."""


class SessionController:
    """The sessions by name, and the reaper that runs at most once a second.

    Time-outs stand in a heap and deferred closes in a list, so that a pass costs nothing for sessions that are
    merely open; the order of a pass is the order of opening, as in the real controller's walk over all of them.
    """

    def __init__(
        self, cache: StreamingCache, row_in_use: Callable[[int], bool], forget: Callable[[Session], None]
    ) -> None:
        self.cache = cache
        self.release = cache.release
        self.sessions: dict[str, Session] = {}
        self.closed: list[str] = []
        self._row_in_use = row_in_use
        self._forget = forget
        self._last_reap = 0.0
        self._opened = 0
        self._deadlines: list[tuple[float, int, Session]] = []
        self._deferred: list[Session] = []

    def open(self, name: str, timeout: float | None, now: float) -> bool:
        """Open a session; refuse a name that is taken. There is no other limit."""
        if name in self.sessions:
            return False
        self._opened += 1
        tag = self.cache.memory.ledger.tag(SESSION, name)
        session = self.sessions[name] = Session(name, tag, timeout, now, self._opened)
        self._await_timeout(session)
        return True

    def _await_timeout(self, session: Session) -> None:
        if session.timeout is not None:
            heapq.heappush(self._deadlines, (session.last_active + session.timeout, session.opened, session))

    def close(self, name: str) -> None:
        """Close a session by request."""
        session = self.sessions.get(name)
        if session is not None:
            self.release.closing.close(self, session)

    def defer(self, session: Session) -> None:
        """Close it when its turn has ended."""
        if not session.close_on_finish:
            session.close_on_finish = True
            self._deferred.append(session)

    def remove(self, session: Session) -> None:
        """Release all that it holds, and forget it."""
        self.cache.memory.ledger.context.session = session.name
        slot = self.cache.slots.get(session.name)
        in_use = slot is not None and slot.row is not None and self._row_in_use(slot.row)
        if in_use and slot is not None:
            self._freed_under_a_turn(session, slot)
        self.cache.release_session(session.name, row_in_use=in_use)
        del self.sessions[session.name]
        self.cache.memory.ledger.forget(session.tag)
        self._forget(session)
        self.closed.append(session.name)

    def _freed_under_a_turn(self, session: Session, slot: SessionSlot) -> None:
        memory = self.cache.memory
        count = memory.ceil(slot.allocated) - slot.protected
        assert slot.row is not None
        slots = memory.rows.read(slot.row, slot.protected, slot.allocated)
        what = (
            f"session {session.name} was closed under its running turn: {count} slots were freed "
            f"that row {slot.row} still names"
        )
        memory.allocator.owners.taint(slots // memory.page_size, "alias", what, count)

    def expire(self, name: str, now: float) -> None:
        """Let the session's time-out have passed."""
        session = self.sessions.get(name)
        if session is not None:
            session.timeout = session.timeout or 0.0
            session.last_active = now - session.timeout - 1e-9
            self._await_timeout(session)
            self._last_reap = min(self._last_reap, now - REAP_INTERVAL - 1e-9)

    # -- the reaper ---------------------------------------------------------------------------------------

    def due(self, now: float) -> bool:
        """Whether a pass would run now."""
        return now - self._last_reap > REAP_INTERVAL

    def reap(self, now: float) -> None:
        """Carry out deferred closes whose turn has ended, then time-outs."""
        if not self.due(now):
            return
        self._last_reap = now
        if self._deferred:
            self._reap_deferred()
        looked_at = {}
        while self._deadlines and self._deadlines[0][0] < now + _ROUNDING:
            _, _, session = heapq.heappop(self._deadlines)
            if self.sessions.get(session.name) is session:
                looked_at[session.opened] = session
        for _, session in sorted(looked_at.items()):
            if session.timed_out(now):
                self.release.closing.close(self, session)
            if session.name in self.sessions and not session.close_on_finish:
                self._await_timeout(session)

    def _reap_deferred(self) -> None:
        ready: list[Session] = []
        pending: list[Session] = []
        for session in self._deferred:
            if self.sessions.get(session.name) is session:
                (ready if self._ended(session.node) else pending).append(session)
        self._deferred = pending
        for session in sorted(ready, key=lambda s: s.opened):
            session.close_on_finish = False
            self.release.closing.close(self, session)

    @staticmethod
    def _ended(node: Req | None) -> bool:
        return node is None or node.finished

    def next_reap(self) -> float | None:
        """When a pass could next find something to do."""
        soonest: float | None = None
        if any(self._ended(session.node) and not session.inflight for session in self._deferred):
            soonest = 0.0
        if self._deadlines:
            deadline = self._deadlines[0][0] + 1e-9
            soonest = deadline if soonest is None else min(soonest, deadline)
        if soonest is None:
            return None
        return max(soonest, self._last_reap + REAP_INTERVAL + 1e-9)
