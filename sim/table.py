"""Results as text: a table that fits its terminal, at most 100 columns, and what there is to say under each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING

from sim.paint import Paint, plain
from sim.result import LeftOut, Result

if TYPE_CHECKING:
    from sim.ledger.verdicts import Verdict

WIDTH = 100
MOST_VERDICTS = 8
_TITLES = ("scenario", "variant", "verdict", "pool", "size", "event", "it", "seen by the release")
_RIGHT = (4, 5, 6)
_NARROW = range(2, 7)
_VERDICT = 2
_NOT_MET = "NOT MET  "

Row = tuple[str, ...]


def table(
    results: Sequence[Result], paint: Paint = plain, *, verbose: bool = False, width: int = WIDTH
) -> Iterator[str]:
    """Lines: a row for each verdict (or for `clean`), its cause under it, and what was not met.

    With `verbose` every verdict with its message, how far each run went, and the line that plays it again. Where
    there is no room for all columns the names stand above the others, and who has seen it below; nothing is cut.
    """
    blocks = [(result, row, below) for result in results for row, below in _blocks(result, verbose)]
    rows = [_TITLES, *(row for _, row, _ in blocks)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    narrow = sum(widths) + 2 * (len(widths) - 1) > width
    yield paint(_line(_TITLES, widths, narrow), "quiet")
    for result, row, below in blocks:
        if narrow:
            yield from _wrapped(" ".join(row[:_VERDICT]), width, "", "  ")
            below = [f"{_TITLES[-1]}: {row[-1]}", *below] if row[-1] else below
        expected = "good" if row[_VERDICT] == "clean" else "known"
        yield _line(row, widths, narrow, partial(paint, kind=expected if result.ok else "bad"))
        for text in below:
            lines = _wrapped(text, width, "    ", "      ")
            yield from (paint(line, "bad" if text.startswith(_NOT_MET) else "quiet") for line in lines)


def left_out_lines(left_out: Sequence[LeftOut], engine: str, width: int = WIDTH) -> Iterator[str]:
    """What the engine cannot run, and why, in a line for each."""
    if not left_out:
        return
    yield f"left out, as {engine} cannot run it:"
    names = max(len(one.scenario) for one in left_out)
    variants = max(len(one.variant) for one in left_out)
    for one in left_out:
        line = f"{one.scenario:{names}}  {one.variant:{variants}}  {one.reason}"
        yield from _wrapped(line, width, "  ", "    ")


def summary(results: Sequence[Result], paint: Paint = plain) -> str:
    """`3 scenarios, 3 as expected`; where nothing was expected of any, how many are clean."""
    by_scenario: dict[str, bool] = {}
    for result in results:
        by_scenario[result.scenario] = by_scenario.get(result.scenario, True) and result.ok
    count, good = len(by_scenario), sum(by_scenario.values())
    how = "as expected" if any(result.judged for result in results) else "clean; nothing was expected"
    return paint(f"{count} scenario{'' if count == 1 else 's'}, {good} {how}", "good" if good == count else "bad")


def _blocks(result: Result, verbose: bool) -> Iterator[tuple[Row, list[str]]]:
    """One row for each verdict, with the lines under it; the last one carries what was not met."""
    shown = result.verdicts if verbose else result.verdicts[:MOST_VERDICTS]
    rows: list[tuple[Row, list[str]]] = [
        (_row(result, v), [_cause(v), v.message] if verbose and v.message else [_cause(v)]) for v in shown
    ]
    if not rows:
        word = "clean" if result.ending not in ("limit", "stuck", "broken off") else result.ending
        figures = ("", "", str(result.events), str(result.iterations), "")
        rows = [((result.scenario, result.variant, word, *figures), [])]
    rest = len(result.verdicts) - len(shown)
    tail = [f"… and {rest} more verdicts, all in verdicts.json"] if rest else []
    if result.frames:
        tail.append(f"raised at: {' → '.join(result.frames)}")
    tail += [f"{_NOT_MET}{line}" for line in result.unmet]
    tail += [f"note: {line}" for line in result.notes]
    if verbose:
        changes = [f"{word} {', '.join(map(str, fixes))}" for word, fixes in _changes(result) if fixes]
        tail.append(
            f"{' '.join([result.release, *changes])}, engine {result.engine}: {result.events:,} events, "
            f"{result.iterations:,} iterations, {result.checks:,} audits, {result.time:.6g} s simulated"
        )
        if result.folder is not None:
            tail.append(f"again: kvledger replay {result.folder / 'ops.jsonl'}")
    rows[-1][1].extend(tail)
    for index, (row, below) in enumerate(rows):
        yield (row if index == 0 else ("", "", *row[2:])), below


def _changes(result: Result) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return ("without", result.reverted), ("with", result.added)


def _row(result: Result, verdict: Verdict) -> Row:
    return (
        result.scenario,
        result.variant,
        verdict.verdict,
        verdict.pool,
        _size(verdict),
        str(verdict.event),
        str(verdict.iteration),
        _detected(verdict),
    )


def _size(verdict: Verdict) -> str:
    """By how much something is off, with its sign; work that waits is so many requests."""
    return f"{verdict.size:+d}" if verdict.size and verdict.verdict != "stuck" else str(verdict.size)


def _detected(verdict: Verdict) -> str:
    if verdict.latency_events is None:
        return verdict.detected_by
    return f"{verdict.detected_by} +{verdict.latency_events}"


def _cause(verdict: Verdict) -> str:
    cause = verdict.cause
    who = " ".join(name for name in (cause.request, cause.session) if name)
    slots = f", {verdict.measured(cause.count)}" if cause.count else ""
    at = f"event {cause.event}, iteration {cause.iteration}, {cause.time:.6g} s"
    return f"cause: {cause.what} ({cause.op}{' of ' + who if who else ''}; {at}{slots}; {verdict.invariant})"


def _wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    """Lines of a text; a word is broken only if it is longer than a line."""
    return wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _line(row: Row, widths: list[int], narrow: bool, paint: Callable[[str], str] | None = None) -> str:
    """One row, if it is `narrow` without names and who has seen it; `paint` is for its verdict."""
    cells = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        if narrow and index not in _NARROW:
            continue
        placed = cell.rjust(width) if index in _RIGHT else cell.ljust(width)
        cells.append(placed.replace(cell, paint(cell), 1) if paint and index == _VERDICT else placed)
    return "  ".join(["", *cells] if narrow else cells).rstrip()
