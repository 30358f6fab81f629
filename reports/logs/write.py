"""Writes report.html, its figures and verdicts.json for a log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from reports.errors import ReportError
from reports.logs.book import Book
from reports.logs.diagnosis import Finding
from reports.logs.figures import clock_of, difference_figure, load_figure, terms_figure, title_of
from reports.logs.page import page
from reports.logs.rank import Rank
from reports.logs.result import Result
from reports.svg import inline_svg, save, svg_text

_ROWS = 6
"""Pools of ranks that are drawn, what was found of first."""
_LOADS = 4

Row = tuple[str, Rank, Book, Sequence[tuple[int, Finding]]]


def write(result: Result, out: Path) -> Path:
    """Write them into the folder; the page's path."""
    target = out / "report.html"
    drawings: dict[str, list[tuple[str, str]]] = {"difference": [], "terms": [], "load": []}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for kind, name, title, figure in _drawn(result):
            document = svg_text(figure)
            save(figure, document, out / "figures" / name)
            drawings[kind].append((title, inline_svg(document, f"{kind} over time, {title or result.name}")))
        (out / "verdicts.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
        target.write_text(page(result, drawings), encoding="utf-8")
    except OSError as error:
        where = error.filename or target
        raise ReportError(f"{where}: cannot be written: {error.strerror}; choose another folder") from None
    return target


def _drawn(result: Result) -> Iterator[tuple[str, str, str, Figure]]:
    """Kind, name of the file, title, figure."""
    ranks = result.log.lives()
    if not ranks:
        return
    clock, rows = clock_of(ranks), _rows(result)
    if rows:
        yield "difference", "difference", "", difference_figure(rows, clock)
    for title, rank, book, _ in rows:
        if any(point.terms[0] is not None for point in book.series.points):
            yield "terms", _file("terms", rank, book.pool), title, terms_figure(book, clock)
    for rank in [rank for rank in ranks if rank.batches][:_LOADS]:
        yield "load", _file("load", rank), rank.name, load_figure(rank, clock)


def _rows(result: Result) -> list[Row]:
    """The books that are drawn: those that are off, of ranks that are alike only the first; else any."""
    numbered = [(n, finding) for n, finding in enumerate(result.findings, start=1) if finding.checks]
    rows: list[Row] = []
    for rank in result.log.lives():
        for book in rank.books.values():
            of = [
                (number, finding)
                for number, finding in numbered
                if (finding.pool, finding.life, finding.ranks[0]) == (book.pool, rank.life, rank.name)
            ]
            if of or not result.findings:
                rows.append((title_of(rank, book, of), rank, book, of))
    return rows[:_ROWS]


def _file(kind: str, rank: Rank, pool: str = "") -> str:
    parts = (kind, rank.name, pool, str(rank.life) if rank.life > 1 else "")
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(part for part in parts if part))
