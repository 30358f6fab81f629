"""The canary of the recurrent states: whose state a slot holds, and how many tokens of a text it stands for.

    header, int64: │ owner tag: 41 bits │ position + 1: 22 bits │        0 = zeroed, nothing went through it yet

A state has no tokens that could be read back one by one. What can be told of it is whose it is and where it stands: a
slot that two requests were handed carries the mark of whoever wrote last, and the other one finds it there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.memory.backend import Array, Backend
from sim.memory.kvpool import POSITION_BITS

_OWNER = POSITION_BITS + 1
_PLACE = (1 << _OWNER) - 1


ONE_POSITION = np.int64(1)
"""What a mark grows by from one position to the next."""


def mark_of(owners: Array | int, positions: Array | int) -> Any:
    """Marks of states that stand at these positions."""
    return (owners << _OWNER) + (positions + 1)


class StateMarks:
    """The first word of each slot; slot 0 is padding."""

    def __init__(self, backend: Backend, headers: Array) -> None:
        self.headers = headers
        self._backend = backend

    def clear(self, slots: Array | int) -> None:
        """Freshly handed out: zeroed."""
        self.headers[slots] = 0

    def stamp(self, slots: Array | int, owners: Array | int, positions: Array | int) -> None:
        """The forward pass has brought these states to these positions."""
        self.headers[slots] = mark_of(owners, positions)

    def copied(self, src: Array | int, dst: Array | int, owner: int) -> None:
        """`dst` is a copy of `src` and belongs to `owner`."""
        self.headers[dst] = (self.headers[src] & _PLACE) + (owner << _OWNER)

    def adopt(self, slot: Array | int, owner: int) -> None:
        """A state has changed hands."""
        self.copied(slot, slot, owner)

    def off(self, found: Array, owners: Array | int, positions: Array | int) -> Array:
        """Where marks that were found are not those of this owner at this position."""
        return found != self._backend.send(mark_of(owners, positions))

    def used(self, found: Array) -> Array:
        """Where something has gone through the state."""
        return (found & _PLACE) != 0

    def wrong(self, slots: Array, owners: Array | int, positions: Array | int) -> list[int]:
        """Indices at which the slots do not hold a state of this owner at this position; waits for a device."""
        off = self._backend.get(self.off(self.headers[slots], owners, positions))
        return [int(i) for i in off.nonzero()[0]]

    def place(self, slot: int) -> tuple[int, int] | None:
        """Owner and position of one slot; None if nothing went through it. Waits for a device."""
        return placed(int(self.headers[slot]))


def placed(mark: int) -> tuple[int, int] | None:
    """Owner and position of a mark; None if nothing went through the state."""
    return None if mark & _PLACE == 0 else (mark >> _OWNER, (mark & _PLACE) - 1)
