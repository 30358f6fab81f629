"""Which row is looked at around a cause, whose its positions are, and where it names the slots of the cause."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from reports.data import Verdict
from reports.moments import Moment, Row, Step

MOST_NAMED = 3
_CLOSED = " (closed)"


def whose(row: Row) -> str:
    """The session, open or closed, else the request."""
    return (row.session or row.request or "").removesuffix(_CLOSED)


def names_in(moment: Moment) -> list[str]:
    """Whose rows there are, in order of appearance."""
    return list(dict.fromkeys(whose(row) for step in moment.steps for row in step.rows))


def row_of(step: Step, who: str) -> Row | None:
    """The row of one of them after a step; the one that a turn runs in, if there are two."""
    rows = [row for row in step.rows if whose(row) == who]
    return min(rows, key=lambda row: row.request is None, default=None)


def named(moment: Moment, verdicts: Sequence[Verdict]) -> str:
    """The session or request that the verdicts name, if its row is there, else whoever comes first."""
    names = names_in(moment)
    for verdict in verdicts:
        for about in (verdict.cause, verdict):
            for name in (about.session, about.request) if about is not None else ():
                if name in names:
                    return str(name)
    return names[0] if names else ""


def trimmed(moment: Moment, who: str) -> list[Step]:
    """The steps from shortly before the first in which the row is there."""
    there = [n for n, step in enumerate(moment.steps) if row_of(step, who) is not None]
    first = max(0, there[0] - 1) if there else 0
    return list(moment.steps[first:])


def parts_of(row: Row) -> list[tuple[str, int, int]]:
    """Which positions are whose: part, first, one after the last."""
    name = "held" if row.request is None else "in use"
    parts = [("protected", 0, row.p), (name, row.p, row.c), (f"{name}, reserved", max(row.c, row.p), row.a)]
    return [(part, first, last) for part, first, last in parts if last > first]


def frames_of(
    rows: Sequence[Row | None], steps: Sequence[Step], faulty: set[int], cause: int
) -> list[tuple[str, int, int, int]]:
    """Positions that name a slot of the cause, and at the cause those that no longer do: kind, bar, first, end."""
    found = []
    before: set[int] = set()
    for at, (step, row) in enumerate(zip(steps, rows, strict=True)):
        named = {n for n, slot in enumerate(row.slots) if slot in faulty} if row is not None else set()
        found += [("named", at, first, end) for first, end in _stretches(named)]
        if step.event == cause:
            found += [("lost", at, first, end) for first, end in _stretches(before - named)]
        before = named
    return found


def _stretches(numbers: set[int]) -> list[tuple[int, int]]:
    ordered = sorted(numbers)
    breaks = [n for n, (a, b) in enumerate(pairwise(ordered), start=1) if b != a + 1]
    bounds = [0, *breaks, len(ordered)]
    return [(ordered[a], ordered[b - 1] + 1) for a, b in pairwise(bounds)] if ordered else []


def slots_named(rows: Sequence[Row | None], steps: Sequence[Step], faulty: set[int], cause: int) -> str:
    """Which slots the frames at the cause are about."""
    words = []
    for kind, at, first, end in frames_of(rows, steps, faulty, cause):
        if steps[at].event == cause:
            old = _range(rows[at - 1] if kind == "lost" else rows[at], first, end)
            new = f" → {_range(rows[at], first, end) or 'none'}" if kind == "lost" else ""
            place = f"position {first}" if end == first + 1 else f"positions {first} to {end - 1}"
            words.append(f"{place}: slot {old}{new}")
    return "; ".join(words[:MOST_NAMED]) + ("; …" if len(words) > MOST_NAMED else "")


def _range(row: Row | None, first: int, end: int) -> str:
    """The slots at these positions."""
    slots = row.slots[first:end] if row is not None else ()
    if len(slots) > 1:
        return f"{slots[0]} to {slots[-1]}" if slots[-1] - slots[0] == len(slots) - 1 else f"{slots[0]}, …"
    return str(slots[0]) if slots else ""
