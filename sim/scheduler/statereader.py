"""The recurrent states in a forward pass: read where it begins, left standing where it ends.

A state cannot be rolled back. Whoever resumes a text below the position of its state counts tokens into it twice, and
whoever was given a slot that is another's finds the other's mark in it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.ledger.findings import Misread
from sim.memory.backend import Array
from sim.memory.marks import ONE_POSITION, mark_of, placed
from sim.memory.states import StatePool
from sim.scheduler.batch import Cursor, Lanes
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.table import ReqTable
from sim.world import Ints

_Reader = tuple[str, str | None]
"""A request and its session, by name."""


class StateReader:
    """Reads and writes the marks of states, and notes what is wrong with them."""

    def __init__(self, memory: Memory, states: StatePool, table: ReqTable, note: Callable[[Misread], None]) -> None:
        self._backend = memory.backend
        self._ledger = memory.ledger
        self._marks = states.marks
        self._table = table
        self._note = note

    def passed(self, req: Req, slot: int, start: int, stop: int) -> None:
        """A prefill goes on from `start`; from 0 on with a state that nothing went through yet."""
        marks, reader = self._marks, _reader(req)
        found = marks.headers[self._backend.put([slot])]
        off = marks.used(found) if start == 0 else marks.off(found, req.tag, start)
        self._ledger.read(off, lambda: self._misread(reader, slot, start, self._marks_of(found)[0]))
        marks.stamp(slot, req.tag, stop)

    def decoded(self, lanes: Lanes, states: Ints, cursor: Cursor) -> None:
        """A plain decode step. Every mark of a batch grows by one: what is expected need not be put together anew."""
        if self._ledger.journal is not None:
            self.stepped(lanes, states, cursor.committed - 1, cursor.committed)
            return
        expected, headers = cursor.marks, self._marks.headers
        if expected is None:
            expected = cursor.marks = mark_of(lanes.tags, cursor.committed - 1)
        if np.count_nonzero(headers[states] != expected):
            self.stepped(lanes, states, cursor.committed - 1, cursor.committed)
        expected += ONE_POSITION
        headers[states] = expected

    def stepped(self, lanes: Lanes, states: Ints, start: Ints, stop: Ints) -> None:
        """A decode step, or a speculative round, over a batch."""
        marks, put = self._marks, self._backend.put
        slots, owners, begun = put(states), put(lanes.tags), start.copy()
        found = marks.headers[slots]
        off = marks.off(found, owners, begun)
        # Where they are told of later, requests may have left their sessions meanwhile.
        readers = self._readers(lanes.index) if self._ledger.journal is not None else None

        def tell() -> None:
            told, who = self._marks_of(found), readers or self._readers(lanes.index)
            for i in self._backend.get(off).nonzero()[0].tolist():
                self._misread(who[i], int(states[i]), int(begun[i]), told[i])

        self._ledger.read(off, tell)
        marks.stamp(slots, owners, put(stop))

    def node(self, slot: int, owner: int, position: int) -> None:
        """The state that the tree keeps at the end of a node."""
        found = self._marks.headers[self._backend.put([slot])]

        def tell() -> None:
            what = f"state {slot} of a node that ends at position {position} {self._holds(self._marks_of(found)[0])}"
            self._note(Misread("the tree", None, what, 1, (slot,), pool="mamba"))

        self._ledger.read(self._marks.off(found, owner, position), tell)

    def _readers(self, index: Ints) -> list[_Reader]:
        return [_reader(self._table.member(i)) for i in index.tolist()]

    def _marks_of(self, found: Array) -> list[int]:
        marks: list[int] = self._backend.get(found).tolist()
        return marks

    def _misread(self, reader: _Reader, slot: int, start: int, mark: int) -> None:
        rid, session = reader
        what = f"state {slot} of request {rid}, which goes on from position {start}, {self._holds(mark)}"
        self._note(Misread(rid, session, what, 1, (slot,), pool="mamba"))

    def _holds(self, mark: int) -> str:
        place = placed(mark)
        if place is None:
            return "is zero"
        owner, position = place
        return f"stands at position {position} and is that of {self._ledger.name(owner)}"


def _reader(req: Req) -> _Reader:
    return req.rid, req.session.name if req.session else None
