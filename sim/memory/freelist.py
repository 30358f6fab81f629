"""The free list: an ordered sequence of indices that allows duplicates, as the real one does.

    buffer: │ slack │ head … tail: the list │ slack │

Taking from the front, adding at either end: each O(k) in the indices moved, whatever the pool's size. The list
slides within a buffer with slack; it is copied to the middle only after at least as many indices moved as it
holds, so the copy is paid for.

How long the list is and where it begins is for the host to know; on a device the host keeps the indices as well, and
the device gets every write (`backend.py`).
"""

from __future__ import annotations

import torch

from sim.memory.backend import Array, Backend


class FreeList:
    """Indices in the order in which they will be handed out."""

    __slots__ = ("_backend", "_buffer", "_head", "_room", "_tail", "count", "tensor")

    def __init__(self, backend: Backend, first: int, last: int) -> None:
        self._backend = backend
        size = last - first + 1
        self._room = 2 * size + 256
        self.tensor, self._buffer = backend.twin(self._room)
        self._head = (self._room - size) // 2
        self._tail = self._head + size
        self._buffer[self._head : self._tail] = backend.arange(first, last + 1)
        self.count = size

    def __len__(self) -> int:
        return self.count

    def view(self) -> Array:
        """The list itself, in order; valid until the next change."""
        return self._buffer[self._head : self._tail]

    def lying(self) -> Array:
        """The list as it lies in the tensor; waits for a device."""
        return self._backend.lying(self.on_device, self.view()) if self._backend.deferred else self.view()

    @property
    def on_device(self) -> torch.Tensor:
        """The list itself, in the tensor."""
        return self.tensor[self._head : self._tail]

    def take(self, count: int) -> Array:
        """The first `count` indices, removed. The caller has tested that there are so many."""
        head = self._head
        self._head = head + count
        self.count -= count
        return self._buffer[head : head + count] + 0

    @property
    def mark(self) -> int:
        """Where the list begins; valid until something is added."""
        return self._head

    def untake(self, mark: int) -> None:
        """Put back, in order, what was taken since `mark`."""
        self.count += self._head - mark
        self._head = mark

    def put_back(self, indices: Array) -> None:
        """Add at the end."""
        count = len(indices)
        if self._tail + count > self._room:
            self._centre(0, count)
        self._buffer[self._tail : self._tail + count] = indices
        self._tail += count
        self.count += count

    def put_front(self, indices: Array) -> None:
        """Add at the front, keeping the order of `indices`."""
        count = len(indices)
        if self._head < count:
            self._centre(count, 0)
        self._buffer[self._head - count : self._head] = indices
        self._head -= count
        self.count += count

    def _centre(self, before: int, after: int) -> None:
        """Move the list so that there is room on both sides; grow if duplicates made it outgrow the buffer."""
        kept = self._backend.copy(self.view())
        needed = len(kept) + before + after
        if self._room < 2 * needed:
            self._room = 2 * needed + 256
            self.tensor, self._buffer = self._backend.twin(self._room)
        self._head = before + (self._room - needed) // 2
        self._tail = self._head + len(kept)
        self._buffer[self._head : self._tail] = kept
