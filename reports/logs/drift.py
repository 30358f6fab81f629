"""How what is missing grows: per minute, per unit of work, and in which term."""

from __future__ import annotations

from dataclasses import dataclass

from reports.logs.book import MINUTE, Book, Point
from reports.logs.messages import TERMS
from reports.logs.rank import ABORTED, ADMITTED, ANSWERED, DECODES, FINISHED, PREFILLS, RELEASED, RETRACTED

UNITS = (RETRACTED, ABORTED, RELEASED, FINISHED, ANSWERED, ADMITTED, PREFILLS, DECODES)
"""Of units that explain a drift alike, the first is named."""
_STRAIGHT = 0.95
_WHOLE = 0.02
_ALIKE = 0.03
"""Lines that explain a drift up to this share alike are told apart by nothing."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Slots for each unit, and how straight the line is."""

    unit: str
    slope: float
    straightness: float
    points: int


@dataclass(frozen=True, slots=True)
class Moved:
    """By how much each term changed from one check to another of its kind."""

    start: Point
    end: Point
    changes: tuple[tuple[str, int], ...]


def drifts(book: Book) -> tuple[Drift, ...]:
    """The drift per minute, then per unit, what explains it best first."""
    lines = book.drift
    found = [
        Drift(unit, slope, line.straightness, line.n)
        for unit in (MINUTE, *UNITS)
        if (line := lines.get(unit)) is not None and (slope := line.slope) is not None
    ]
    return (*(d for d in found if d.unit == MINUTE), *sorted((d for d in found if d.unit != MINUTE), key=_rank))


def per_unit(found: tuple[Drift, ...]) -> Drift | None:
    """The unit that explains it, if one does."""
    return None if alike(found) else _best(found)


def alike(found: tuple[Drift, ...]) -> tuple[Drift, ...]:
    """The counts that explain a steady growth as well as time does, where the best of them is no whole number."""
    best = _best(found)
    if best is None or not _odd(best):
        return ()
    fit = [drift for drift in found if drift.straightness >= best.straightness - _ALIKE]
    return tuple(d for d in fit if d.unit != MINUTE) if any(d.unit == MINUTE for d in fit) else ()


def _best(found: tuple[Drift, ...]) -> Drift | None:
    best = next((drift for drift in found if drift.unit != MINUTE), None)
    return best if best is not None and best.slope and best.straightness >= _STRAIGHT and best.points > 2 else None


def _odd(drift: Drift) -> bool:
    """Whether it is no whole number for each unit."""
    return abs(drift.slope - round(drift.slope)) > _WHOLE or not round(drift.slope)


def _rank(drift: Drift) -> tuple[float, bool, int]:
    """The straightest line first; of those the one with a whole number for each unit."""
    return -round(drift.straightness, 2), _odd(drift), UNITS.index(drift.unit)


def moved(book: Book) -> Moved | None:
    """The change of each term up to the last check that is off, from the nearest comparable one before the drift."""
    end = book.last_off
    if end is None:
        return None
    for start in (book.before, book.origin.get((end.kind, False))):
        if start is not None and start.kind == end.kind and start.line != end.line and start.total == end.total:
            pairs = zip(TERMS, start.terms, end.terms, strict=True)
            changes = tuple((name, b - a) for name, a, b in pairs if a is not None and b is not None and a != b)
            return Moved(start, end, changes) if changes else None
    return None
