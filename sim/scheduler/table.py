"""The numbers of all requests, column by column, so that a decode step is a few array operations.

`hot[FIELD, i]` is field FIELD of request i. Scalar code goes through memoryviews (40 ns, plain ints), batches
through `hot[FIELD][index array]`. Rows of requests that nothing refers to any more are found by a sweep when the
table is full, so its size follows the live requests, not the past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

C, A, P, OUT, LIMIT, DEVICE, ROW, COUNTED, TAG, KEY, WRITER, STOP, MAX_NEW, GONE, E, STEPS, PROMPT = range(17)
"""committed, allocated, protected, output tokens, output count at which it must be looked at, device length, row,
whether the release's `uncached` counts it; owner tag, token stream, canary header of its writer, position of its EOS,
output limit, whether it is FINISHED or RETRACTED; how far its windowed half was given back, its decode steps,
length of its prompt."""
FIELDS = 17
FINISHED, RETRACTED = 1, 2
NO_ROW = -1


class ReqTable:
    """One column per request, one line per field.

    Whenever a cursor (c, a, p or e) moves, `version` grows, and `moved` names the request, or `all_moved` says that a
    whole batch did. Window eviction only adds to `given`, what it gave back of counted requests, and names them;
    a plain decode step only adds to `steps`: it moves c and a of all its requests on by one, so that
    sums over a batch can be carried on without a new pass.
    """

    def __init__(self, roots: Callable[[], Iterable[Any]], capacity: int = 256) -> None:
        self._roots = roots
        self.hot: npt.NDArray[np.int64] = np.zeros((FIELDS, 0), dtype=np.int64)
        self.lines: list[memoryview] = []
        self._free: list[int] = []
        self._members: dict[int, Any] = {}
        self.version = 0
        self.steps = 0
        self.given = 0
        self.moved: set[int] = set()
        self.all_moved = False
        self._resize(capacity)

    def acquire(self, request: Any) -> int:
        """A fresh column for a request."""
        if not self._free:
            self._sweep()
        index = self._free.pop()
        self._members[index] = request
        self.hot[:, index] = 0
        self.lines[ROW][index] = NO_ROW
        return index

    def batch_moved(self) -> None:
        """Cursors of many requests have been written at once."""
        self.version += 1
        self.all_moved = True

    def member(self, index: int) -> Any:
        """The request of a column."""
        return self._members.get(index)

    def _sweep(self) -> None:
        live = {request.index for request in self._roots()}
        for index in sorted(set(self._members) - live, reverse=True):
            del self._members[index]
            self._free.append(index)
        capacity = self.hot.shape[1]
        if len(self._free) < capacity // 2:
            self._resize(2 * capacity)

    def _resize(self, capacity: int) -> None:
        old = self.hot.shape[1]
        hot = np.zeros((FIELDS, capacity), dtype=np.int64)
        hot[:, :old] = self.hot
        self.hot = hot
        self.lines = [line.data for line in hot]
        self._free[:0] = range(capacity - 1, old - 1, -1)
