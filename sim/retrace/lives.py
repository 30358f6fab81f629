"""What each request and each session was doing, as changes of state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from json import dumps
from typing import Any

from sim.engines.protocol import SessionState, Snapshot

_ENDS = ("finished", "aborted")
_OUTSIDE = ("abort", "close", "reap")
_DECODE = re.compile(r'\{"event":\d+,"t":[^,]+,"it":\d+,"kind":"decode"[^{}]*?"waiting":(\d+)')
_LIST_OF_NAMES = '["'


class Lives:
    """Follows the states of all requests and sessions, event by event.

    Requests: queued, prefill, decode, retracted (queued again), finished, aborted. Sessions: open (holds nothing),
    turn (one is in flight), held (its slot keeps memory), closed.
    """

    def __init__(self) -> None:
        self._requests: dict[str, str] = {}
        self._sessions: dict[str, str] = {}
        self.session_of: dict[str, str] = {}
        self._retracted: set[str] = set()
        self._ended: set[str] = set()
        self._prefilled: set[str] = set()
        self._waiting = 0

    def touched(self, event: Mapping[str, Any]) -> list[str] | None:
        """The sessions that an event can have changed: of whom it tells, and who waited; None where it can be any."""
        kind = event["kind"]
        if kind in (*_OUTSIDE, "retract"):
            return None
        rids = [rid for told in (*_ENDS, "retracted") for rid in event.get(told, ())]
        if kind in ("prefill", "mixed"):
            rids += [rid for rid, state in self._requests.items() if state in ("queued", "retracted")]
        names = (event.get("session"), *map(self.session_of.get, rids))
        return list(dict.fromkeys(name for name in names if name is not None))

    def changes(self, event: Mapping[str, Any], snapshot: Snapshot, touched: list[str] | None = None) -> Iterator[str]:
        """The lines of one event: its line of events.jsonl, and what stands after it; `touched`: of these sessions."""
        self._note(event)
        for rid, state in self._now(event, snapshot):
            if self._requests.get(rid) != state:
                yield _line(event, state, self.session_of.get(rid), rid)
                self._requests[rid] = state
                (self._prefilled.add if state == "prefill" else self._prefilled.discard)(rid)
                if state in _ENDS:
                    del self._requests[rid]
                    self._retracted.discard(rid)
                    self._ended.add(rid)
        yield from self._of_sessions(event, snapshot.sessions, touched)
        self._waiting = event["waiting"]

    def plain(self, line: str) -> bool:
        """Whether nothing can have changed by an event: a decode step like the one before, of which no name is told."""
        if self._prefilled:
            return False
        decode = _DECODE.match(line)
        return decode is not None and int(decode[1]) == self._waiting and _LIST_OF_NAMES not in line

    def _note(self, event: Mapping[str, Any]) -> None:
        rid = event.get("request")
        if event["kind"] == "submit" and rid is not None:
            self._retracted.discard(rid)
            self._ended.discard(rid)
            if event.get("session") is not None:
                self.session_of[rid] = event["session"]
            else:
                self.session_of.pop(rid, None)
        self._retracted.update(event.get("retracted", ()))

    def _now(self, event: Mapping[str, Any], snapshot: Snapshot) -> Iterator[tuple[str, str]]:
        """Requests with their states; who has ended or waits again may still stand in a batch for a while."""
        for end in _ENDS:
            for rid in event.get(end, ()):
                if rid in self._requests:
                    yield rid, end
        waits = frozenset(snapshot.waiting)
        for rid in dict.fromkeys((*(snapshot.last_batch or ()), *snapshot.running)):
            if rid not in self._ended and rid not in waits:
                before = self._requests.get(rid)
                yield rid, "prefill" if before in (None, "queued", "retracted") else self._went_on(event, before)
        for rid in snapshot.waiting:
            again = rid in self._retracted or self._requests.get(rid) in ("prefill", "decode", "retracted")
            yield rid, "retracted" if again else "queued"
        if snapshot.chunked is not None and snapshot.chunked not in snapshot.waiting:
            yield snapshot.chunked, "prefill"
        if event["kind"] in _OUTSIDE:
            # Who is taken out of the queue is gone at once; the release tells of it in its next iteration.
            there = {*snapshot.waiting, *snapshot.running, *(snapshot.last_batch or ()), snapshot.chunked}
            yield from [(rid, "aborted") for rid in self._requests if rid not in there]

    @staticmethod
    def _went_on(event: Mapping[str, Any], before: str) -> str:
        """A prefilled request is decoded from the next step on that decodes."""
        return "decode" if event["kind"] in ("decode", "mixed") else before

    def _of_sessions(
        self, event: Mapping[str, Any], sessions: Iterable[SessionState], touched: list[str] | None
    ) -> Iterator[str]:
        known = self._sessions
        there = {session.session: session for session in sessions}
        for name in dict.fromkeys((*there, *known)) if touched is None else touched:
            state = _state_of(there.get(name))
            if known.get(name, "closed") != state:
                yield _line(event, state, name)
            if state == "closed":
                known.pop(name, None)
            else:
                known[name] = state


def _state_of(session: SessionState | None) -> str:
    if session is None:
        return "closed"
    if session.inflight:
        return "turn"
    return "held" if session.row is not None or session.states else "open"


def _line(event: Mapping[str, Any], state: str, session: str | None, rid: str | None = None) -> str:
    named = (f',"request":{dumps(rid)}' if rid is not None else "") + (
        f',"session":{dumps(session)}' if session is not None else ""
    )
    return f'{{"event":{event["event"]},"t":{event["t"]!r}{named},"state":"{state}"}}\n'
