"""What a reader is told of a log, in sentences; the terminal and the page share them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from reports.logs.book import MINUTE
from reports.logs.diagnosis import Finding, Near
from reports.logs.drift import Drift, Moved, alike, per_unit
from reports.logs.gather import Log
from reports.numbers import count, plural, rate, several, signed
from sim.scenario.errors import printable


def moment(time: float) -> str:
    """As the log writes it; nothing where it has no times."""
    if time <= 0:
        return ""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return ""


def ranks_of(finding: Finding) -> str:
    """One rank, or the first and how many more; nothing for a server of one rank."""
    first, *rest = finding.ranks
    name = f"{first} +{len(rest)}" if rest else first
    return f"{name} ({finding.life}. start)".lstrip() if finding.life > 1 else name


def size_of(finding: Finding) -> str:
    """By how much it is off, with its sign."""
    return signed(finding.size) if finding.size else ""


def checks_off(finding: Finding) -> str:
    """How many of its checks were off; nothing where it is not about checks."""
    return f"{count(finding.off)} of {count(finding.checks)}" if finding.checks else ""


def clean(log: Log) -> str:
    """What it means that nothing was found."""
    checks = sum(sum(book.checks.values()) for rank in log.lives() for book in rank.books.values())
    if checks:
        return f"{several(checks, 'check')} with figures, none of them off"
    return "no check complained; those that hold print nothing, so a log cannot tell how often the books were looked at"


def sentences(finding: Finding) -> Iterator[str]:
    """All that is known of it, one fact each."""
    if finding.verdict == "crash":
        yield f"raised: {printable(finding.what)}"
    else:
        yield f"{finding.what}{'' if finding.sure else ' (suspected)'}"
        yield _when(finding)
    if finding.drift:
        yield drift_words(finding.drift)
    if finding.moved is not None:
        yield moved_words(finding.moved)
    if finding.near:
        yield near_words(finding.near, finding.window)
    for unknown in finding.unknown:
        yield f"a log cannot tell {unknown}"


def _when(finding: Finding) -> str:
    at = moment(finding.time)
    text = f"first off at line {finding.line}{', ' + at if at else ''}"
    if finding.before is not None:
        text += f"; at line {finding.before.line} the books still balanced"
    elif finding.begun is not None:
        text += f"; since the start at line {finding.begun} no check had complained"
    return text


def drift_words(found: tuple[Drift, ...]) -> str:
    """The slope per minute, and per the unit that explains it."""
    minute = next((drift for drift in found if drift.unit == MINUTE), None)
    unit = per_unit(found)
    if all(drift.straightness == 0.0 for drift in found):
        return "drift: none, it stays the same"
    parts = [f"{rate(minute.slope)} a minute"] if minute is not None else []
    if unit is not None:
        parts.append(
            f"{_per(unit)} (a line through {several(unit.points, 'check')} explains "
            f"{100 * unit.straightness:.0f}\u202f% of it)"
        )
    elif same := alike(found):
        counts = several(len(same), "count")
        parts.append(f"it grows steadily: time and {counts} fit alike, so none is named as its cause")
    elif any(drift.points > 2 for drift in found):
        parts.append("no count in the log explains it")
    return f"drift: {', '.join(parts)}" if parts else "drift: not from one moment"


def _per(unit: Drift) -> str:
    """`−1 for each turn`, and not −0.0004 but `−1 for every 2 500 turns`."""
    if abs(unit.slope) >= 0.5:
        return f"{rate(unit.slope)} for each {unit.unit}"
    every = 1 / abs(unit.slope)
    many = count(every) if every >= 100 else f"{every:.3g}"
    return f"{'+' if unit.slope > 0 else '−'}1 for every {many} {plural(unit.unit)}"


def moved_words(change: Moved) -> str:
    """Which term moved while the others held."""
    named = [f"{name} by {signed(by)}" for name, by in change.changes]
    short = sum(by for _, by in change.changes)
    together = f"; together {signed(short)}" if len(named) > 1 and short else ""
    held = "" if len(named) == 5 else ", while the other terms held"
    return f"from line {change.start.line} to line {change.end.line} moved {', '.join(named)}{held}{together}"


def near_words(near: tuple[Near, ...], window: float) -> str:
    """What happened before the break, against what is usual."""
    told = [f"{count(one.count)} × {one.kind} (usual in such a time: {one.usual:.2g})" for one in near]
    return f"in the {count(window)} s before it broke: {', '.join(told)}"
