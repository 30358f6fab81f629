"""The row pool: `req_to_token`, and which rows are free.

    row: [0 … p) tree │ [p … c) private, valid │ [c … a) reserved │ (a … width) nothing

`extent` is ours: how far each row names slots, so that overwriting the last name of an owned slot is seen.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import torch

from sim.ledger.owners import FREE, Tag, TagPool
from sim.memory.backend import Array, Backend


class RowPool:
    """`count` rows of `width` positions, numbered from `first` (0.5.10: 0, 0.5.11: 1, row 0 is padding)."""

    def __init__(self, backend: Backend, count: int, width: int, first: int, owners: TagPool) -> None:
        self.count = count
        self.width = width
        self.first = first
        self.owners = owners
        self._backend = backend
        self.tensor: torch.Tensor
        self.tensor, self.array = backend.twin((count + first, width), torch.int32)
        self.flat: Array = self.array.reshape(-1)
        self.free: deque[int] = deque(range(first, first + count))
        self.extent = np.zeros(count + first, dtype=np.int64)

    def take(self, count: int) -> list[int] | None:
        """The first `count` free rows, or None."""
        if count > len(self.free):
            return None
        return [self.free.popleft() for _ in range(count)]

    def read(self, row: int, start: int, stop: int) -> Array:
        """Slots of positions [start, stop), a copy."""
        return self._backend.copy(self.array[row, start:stop])

    def write(self, row: int, start: int, slots: Array) -> None:
        """Name `slots` from position `start` on."""
        stop = start + len(slots)
        self.array[row, start:stop] = slots
        if stop > self.extent[row]:
            self.extent[row] = stop

    def posted(self, row: int, src: Tag, dst: Tag) -> None:
        """Tell the ledger that a row changes hands."""
        self.owners.move(self._backend.put([row]), src, dst, "row")

    def give_back(self, row: int, owner: Tag) -> None:
        """Append the row to the free rows."""
        self.posted(row, owner, FREE)
        self.free.append(row)
