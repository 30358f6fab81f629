"""The findings of a log as text: a table that fits 100 columns, and what there is to say under each row."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from reports.logs.diagnosis import Finding
from reports.logs.result import Result
from reports.logs.words import checks_off, clean, moment, ranks_of, sentences, size_of
from reports.numbers import count

WIDTH = 100
MOST = 12
_TITLES = ("rank", "verdict", "pool", "size", "line", "since", "checks off")
_RIGHT = (3, 4)

Row = tuple[str, ...]


def lines(result: Result) -> Iterator[str]:
    """The table, what would have said more, and what was read."""
    rows = [(_row(finding), list(sentences(finding))) for finding in result.findings[:MOST]]
    if not rows:
        rows = [(("", "clean", "", "", "", "", ""), [clean(result.log)])]
    widths = [max(len(cell) for cell in column) for column in zip(_TITLES, *(row for row, _ in rows), strict=True)]
    widths[0] = min(widths[0], 24)
    yield _line(_TITLES, widths)
    for row, below in rows:
        yield _line(row, widths)
        for text in below:
            yield from wrap(text, WIDTH, initial_indent="    ", subsequent_indent="      ")
    rest = len(result.findings) - MOST
    if rest > 0:
        yield f"… and {count(rest)} more, all of them in --json"
    if result.advice:
        yield "what would have said more:"
        for advice in result.advice:
            yield from wrap(f"{advice.setting}: {advice.why}", WIDTH, initial_indent="  ", subsequent_indent="    ")
    for note in result.notes:
        yield from wrap(f"note: {note}", WIDTH, subsequent_indent="  ")
    yield from wrap(result.read, WIDTH, subsequent_indent="  ")


def _row(finding: Finding) -> Row:
    place = str(finding.line), moment(finding.time)
    return (ranks_of(finding), finding.verdict, finding.pool, size_of(finding), *place, checks_off(finding))


def _line(row: Row, widths: list[int]) -> str:
    cells = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        shown = cell if len(cell) <= width else cell[: width - 1] + "…"
        cells.append(shown.rjust(width) if index in _RIGHT else shown.ljust(width))
    return "  ".join(cells).rstrip()
