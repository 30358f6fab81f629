"""The evictable leaves of a tree, cheapest first, kept in a heap that forgets lazily.

SGLang collects and heapifies every leaf at each eviction; the order is the same, the cost is not: an eviction
here is O(log n) per leaf, and touching a leaf pushes one entry.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Generic, TypeVar

N = TypeVar("N")


class LeafHeap(Generic[N]):
    """Leaves by priority; an entry is stale once its leaf left or was pushed again."""

    def __init__(self, priority: Callable[[N], Any]) -> None:
        self._priority = priority
        self._heap: list[tuple[Any, int, N]] = []
        self._current: dict[int, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._current)

    def push(self, leaf: N) -> None:
        """The leaf is evictable, or its priority changed."""
        self._count += 1
        self._current[id(leaf)] = self._count
        heapq.heappush(self._heap, (self._priority(leaf), self._count, leaf))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._current):
            self._heap = [entry for entry in self._heap if self._current.get(id(entry[2])) == entry[1]]
            heapq.heapify(self._heap)

    def touch(self, leaf: N) -> None:
        """The leaf was used; if it is evictable, its place changes."""
        if id(leaf) in self._current:
            self.push(leaf)

    def discard(self, leaf: N) -> None:
        """The leaf is not evictable any more."""
        self._current.pop(id(leaf), None)

    def pop(self) -> N | None:
        """The cheapest leaf, removed."""
        while self._heap:
            _, count, leaf = heapq.heappop(self._heap)
            if self._current.get(id(leaf)) == count:
                del self._current[id(leaf)]
                return leaf
        return None
