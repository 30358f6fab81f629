"""A series of whatever length in bounded memory, and a straight line through one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

LIMIT = 1024

P = TypeVar("P")


class Thinned(Generic[P]):
    """Points in buckets of equal length; `join` says what two neighbours leave behind."""

    def __init__(self, join: Callable[[P, P], P], limit: int = LIMIT) -> None:
        self._join = join
        self._limit = limit
        self._kept: list[P] = []
        self._open: P | None = None
        self._count = 0
        self._stride = 1

    def add(self, point: P) -> None:
        """The next point."""
        self._open = point if self._open is None else self._join(self._open, point)
        self._count += 1
        if self._count < self._stride:
            return
        self._kept.append(self._open)
        self._open, self._count = None, 0
        if len(self._kept) >= self._limit:
            kept = self._kept
            self._kept = [self._join(one, other) for one, other in zip(kept[::2], kept[1::2], strict=True)]
            self._stride *= 2

    @property
    def points(self) -> list[P]:
        """What is left of it, in order."""
        return self._kept if self._open is None else [*self._kept, self._open]


@dataclass(slots=True)
class Fit:
    """The straight line through points that come one by one, counted from the first."""

    n: int = 0
    _x0: float = 0.0
    _y0: float = 0.0
    _x: float = 0.0
    _y: float = 0.0
    _xx: float = 0.0
    _xy: float = 0.0
    _yy: float = 0.0

    def add(self, x: float, y: float) -> None:
        """One more point."""
        if self.n == 0:
            self._x0, self._y0 = x, y
        x, y = x - self._x0, y - self._y0
        self.n += 1
        self._x += x
        self._y += y
        self._xx += x * x
        self._xy += x * y
        self._yy += y * y

    @property
    def slope(self) -> float | None:
        """By how much y rises for each x; None where x has not moved."""
        spread = self.n * self._xx - self._x * self._x
        if self.n < 2 or spread <= 0:
            return None
        return (self.n * self._xy - self._x * self._y) / spread

    @property
    def straightness(self) -> float:
        """The share of y's movement that the line explains: 1 where every point lies on it."""
        slope, rise = self.slope, self.n * self._yy - self._y * self._y
        if slope is None or rise <= 0:
            return 0.0
        return min(1.0, slope * (self.n * self._xy - self._x * self._y) / rise)
