"""The books of one pool of one rank, as the checks in a log state them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reports.logs.messages import Kind
from reports.logs.thinned import Fit, Thinned

MINUTE = "minute"


@dataclass(frozen=True, slots=True)
class Point:
    """What one check stated; a term that its message leaves out is None."""

    line: int
    time: float
    kind: Kind
    total: int
    terms: tuple[int | None, ...]
    delta: int
    raised: bool = False

    @property
    def whole(self) -> bool:
        """Whether it states all five terms."""
        return None not in self.terms


def _worse(one: Point, other: Point) -> Point:
    """Of two neighbouring checks the one that is further off; of equals the later, unless only the first is whole."""
    if abs(one.delta) != abs(other.delta):
        return one if abs(one.delta) > abs(other.delta) else other
    return one if one.whole and not other.whole else other


@dataclass(slots=True)
class Book:
    """One pool: its first break, its drift, and how it stands now."""

    pool: str
    series: Thinned[Point] = field(default_factory=lambda: Thinned(_worse))
    checks: dict[str, int] = field(default_factory=lambda: {"idle": 0, "busy": 0})
    off: dict[str, int] = field(default_factory=lambda: {"idle": 0, "busy": 0})
    first: Point | None = None
    """The first check that is off."""
    before: Point | None = None
    """The last one before it that balances."""
    last_off: Point | None = None
    last: Point | None = None
    returned: int = 0
    """How often a balance that was off came back by itself."""
    since: dict[str, int] = field(default_factory=lambda: {"idle": 0, "busy": 0})
    """Checks that were off since the balance last held."""
    flushed: Point | None = None
    """The last check that was off before a flush emptied the pool."""
    forgiven: bool = False
    fits: dict[str, Fit] = field(default_factory=dict)
    earlier_fits: dict[str, Fit] = field(default_factory=dict)
    window: float = 0.0
    near: dict[str, int] = field(default_factory=dict)
    """What happened in the `window` seconds before the break."""
    origin: dict[tuple[Kind, bool], Point] = field(default_factory=dict)
    """The first check of a kind that is off, and the last that balances."""

    def add(self, point: Point, counts: Callable[[], Mapping[str, int]]) -> bool:
        """One more check; True if it is the first that is off."""
        last = self.last
        if last is not None and point.raised and (last.kind, last.terms) == (point.kind, point.terms):
            # It was logged, and raised then.
            self.last = self.last_off = point
            return False
        self.series.add(point)
        self.checks[point.kind] += 1
        broke = False
        if point.delta == 0:
            self._balanced(point)
        else:
            broke = self._is_off(point, counts)
        self.last = point
        return broke

    def flush(self) -> None:
        """The pool is emptied: what was missing is back, and nobody has found it."""
        if self.last is not None and self.last.delta:
            self.flushed, self.forgiven = self.last, True
            self.earlier_fits, self.fits = self._longer(), {}

    @property
    def drift(self) -> dict[str, Fit]:
        """The lines through what is missing, by what it is counted against."""
        return self._longer()

    def _longer(self) -> dict[str, Fit]:
        count = {id(fits): max((fit.n for fit in fits.values()), default=0) for fits in (self.fits, self.earlier_fits)}
        return self.fits if count[id(self.fits)] >= count[id(self.earlier_fits)] else self.earlier_fits

    def _balanced(self, point: Point) -> None:
        if self.last is not None and self.last.delta and not self.forgiven:
            self.returned += 1
        self.forgiven = False
        self.since = {"idle": 0, "busy": 0}
        if self.first is None:
            self.before = point
        self.origin[point.kind, True] = point

    def _is_off(self, point: Point, counts: Callable[[], Mapping[str, int]]) -> bool:
        self.off[point.kind] += 1
        self.since[point.kind] += 1
        self.last_off, self.forgiven = point, False
        self.origin.setdefault((point.kind, False), point)
        for unit, count in counts().items():
            self.fits.setdefault(unit, Fit()).add(count, point.delta)
        self.fits.setdefault(MINUTE, Fit()).add(point.time / 60, point.delta)
        if self.first is not None:
            return False
        self.first = point
        return True
