"""The terms over time in bounded memory: thinned as a run grows, never losing an extreme of a pool's delta."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

Point = tuple[Any, ...]
"""event, t, it; of the full pool the five terms, lost, extra, delta; running, waiting; then each other pool's eight."""

LIMIT = 20_000
_DELTA = 10
_WIDTH = 13
_EACH = 8
"""Figures of a pool: five terms, lost, extra, delta."""


class Series:
    """A run's points, in buckets of `stride` events: of each the first, the least and the greatest deltas."""

    def __init__(self, limit: int = LIMIT, pools: int = 1) -> None:
        self._limit = limit
        self._deltas = (_DELTA, *(_WIDTH + _EACH * n - 1 for n in range(1, pools)))
        self._others: dict[int, tuple[Point, Point]] = {}
        self._buckets: list[tuple[Point, ...]] = []
        self._size = 0
        self._stride = 1
        self._count = 0
        self._first: Point | None = None
        self._least: Point | None = None
        self._greatest: Point | None = None
        self._last: Point | None = None

    def add(self, point: Point) -> None:
        """One event's figures."""
        if self._least is None or self._greatest is None:
            self._first = self._least = self._greatest = point
        elif point[_DELTA] < self._least[_DELTA]:
            self._least = point
        elif point[_DELTA] > self._greatest[_DELTA]:
            self._greatest = point
        if len(self._deltas) > 1:
            self._look_at_others(point)
        self._last = point
        self._count += 1
        if self._count >= self._stride:
            self._shut()

    def _look_at_others(self, point: Point) -> None:
        """Keep the extremes of the other pools' deltas."""
        for at in self._deltas[1:]:
            least, greatest = self._others.get(at, (point, point))
            if point[at] < least[at]:
                least = point
            elif point[at] > greatest[at]:
                greatest = point
            self._others[at] = least, greatest

    def points(self) -> list[Point]:
        """What is kept, in the order of events; the last event always."""
        kept = [point for bucket in (*self._buckets, self._open()) for point in bucket]
        if self._last is not None and kept[-1] is not self._last:
            kept.append(self._last)
        return kept

    def save(self, path: Path, sizes: Mapping[str, int]) -> None:
        """Write series.npz."""
        import numpy as np

        kept = self.points()
        columns = np.array(kept, dtype=np.float64).reshape(len(kept), _WIDTH + _EACH * (len(self._deltas) - 1))
        whole = columns.astype(np.int64)
        others: dict[str, Any] = {}
        for number, (pool, size) in enumerate(list(sizes.items())[1:]):
            start = _WIDTH + _EACH * number
            others[pool] = whole[:, start : start + 5]
            for name, column in (("lost", 5), ("extra", 6), ("delta", 7)):
                others[f"{pool}_{name}"] = whole[:, start + column]
            others[f"{pool}_total"] = np.int64(size)
        with path.open("wb") as file:
            np.savez(
                file,
                event=whole[:, 0],
                t=columns[:, 1],
                it=whole[:, 2],
                full=whole[:, 3:8],
                lost=whole[:, 8],
                extra=whole[:, 9],
                delta=whole[:, 10],
                running=whole[:, 11],
                waiting=whole[:, 12],
                full_total=np.int64(sizes["full"]),
                **others,
            )

    def _open(self) -> tuple[Point, ...]:
        first, least, greatest = self._first, self._least, self._greatest
        if first is None or least is None or greatest is None:
            return ()
        if self._others:
            more = {point for pair in self._others.values() for point in pair}
            return tuple(sorted({first, least, greatest} | more))
        if least is first and greatest is first:
            return (first,)
        return tuple(sorted({first, least, greatest}))

    def _shut(self) -> None:
        bucket = self._open()
        self._buckets.append(bucket)
        self._size += len(bucket)
        self._count = 0
        self._first = self._least = self._greatest = None
        self._others = {}
        while self._size > self._limit - 2 * len(self._deltas) - 2 and len(self._buckets) > 1:
            self._merge()

    def _merge(self) -> None:
        """Join neighbouring buckets: half as many, each twice as long."""
        pairs = zip(self._buckets[::2], [*self._buckets[1::2], ()], strict=False)
        self._buckets = [_thin(left + right, self._deltas) for left, right in pairs]
        self._size = sum(map(len, self._buckets))
        self._stride *= 2


def _thin(points: tuple[Point, ...], deltas: tuple[int, ...]) -> tuple[Point, ...]:
    kept = {0}
    for at in deltas:
        by_delta = [p[at] for p in points]
        kept |= {by_delta.index(min(by_delta)), by_delta.index(max(by_delta))}
    return tuple(points[i] for i in sorted(kept))
