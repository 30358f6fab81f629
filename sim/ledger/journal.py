"""Postings on a device, kept until the next check.

posting   the device moves the tags at once and keeps what it found there, and where that was not as it should be
check     one flag is read: whether any posting since the last check found something
          nothing: they are forgotten │ something: all are taken back, the last first, and made again one by one, each
          in the event and for the request that made it, with a look at the device after each

So a fault costs as much as it did on a CPU, and none costs one read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from sim.memory.backend import Array, Backend

if TYPE_CHECKING:
    from sim.ledger.owners import Context

Moment: TypeAlias = "tuple[int, int, float, str, str | None, str | None]"

MOST_KEPT = 1024
"""Postings kept between two looks; a run without checks must not grow with its postings."""


@dataclass(frozen=True, slots=True)
class _Posting:
    """What was done, how to do it again, and how to undo it."""

    at: Moment
    again: Callable[[], None]
    undo: Callable[[], None] | None


class Journal:
    """The postings of all pools of one ledger since the last look, in order."""

    def __init__(self, backend: Backend, context: Context) -> None:
        self._backend = backend
        self._context = context
        self._postings: list[_Posting] = []
        self._found: list[Array] = []
        self.replaying = False
        self.looks = 0

    def note(self, off: Array | None, again: Callable[[], None], undo: Callable[[], None] | None = None) -> None:
        """Something was posted, or read; `off` says on the device where it was not as it should be."""
        self._postings.append(_Posting(self._moment(), again, undo))
        if off is not None:
            self._found.append(off)
        if len(self._postings) >= MOST_KEPT:
            self.settle()

    def looking(self, off: Array) -> Callable[[], bool]:
        """Look at what was found, once there is time for it."""
        return partial(self._backend.any, off)

    def settle(self) -> None:
        """Look whether anything was found, and go through it if so."""
        postings, found = self._postings, self._found
        if not postings or self.replaying:
            return
        self._postings, self._found = [], []
        self.looks += bool(found)
        if found and self._backend.flagged(found):
            self._replay(postings)

    def _replay(self, postings: list[_Posting]) -> None:
        for posting in reversed(postings):
            if posting.undo is not None:
                posting.undo()
        now = self._moment()
        self.replaying = True
        try:
            for posting in postings:
                self._be_at(posting.at)
                posting.again()
        finally:
            self.replaying = False
            self._be_at(now)

    def _moment(self) -> Moment:
        at = self._context
        return at.event, at.iteration, at.time, at.op, at.request, at.session

    def _be_at(self, moment: Moment) -> None:
        at = self._context
        at.event, at.iteration, at.time, at.op, at.request, at.session = moment
