"""A log read, judged, and as one document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reports.errors import ReportError
from reports.logs.advice import Advice, advice
from reports.logs.book import Book, Point
from reports.logs.diagnosis import Finding, diagnose
from reports.logs.gather import Log
from reports.logs.messages import TERMS
from reports.logs.rank import Rank
from reports.logs.reading import Source
from reports.logs.scanning import Scanner
from reports.logs.words import moment, sentences
from reports.numbers import count, several

_EXPECTED = 'give what a server of SGLang has printed, with lines such as "Decode batch, #running-req: …"'
_MOST_SERIES = 400


@dataclass(frozen=True)
class Result:
    """What there is to say of a log."""

    name: str
    lines: int
    size: int
    log: Log
    findings: tuple[Finding, ...]
    advice: tuple[Advice, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def read(self) -> str:
        """How much was read, in a sentence."""
        lives = self.log.lives()
        names = sorted({rank.name for rank in lives if rank.name})
        lines = several(self.lines, "line")
        size = f"{self.size / 1e6:.1f} MB" if self.size >= 1e6 else f"{-(-self.size // 1000)} kB"
        batches = sum(rank.batches for rank in lives)
        ranks = f", {len(names)} ranks" if len(names) > 1 else ""
        wordings = f", checks worded as in {' and '.join(sorted(self.log.forms))}" if +self.log.forms else ""
        return f"read {lines} ({size}){ranks}, {count(batches)} of them about batches{wordings}"

    def to_json(self) -> dict[str, Any]:
        """As --json prints it and verdicts.json has it."""
        return {
            "log": self.name,
            "lines": self.lines,
            "ok": self.ok,
            "wordings": sorted(+self.log.forms),
            "verdicts": [_finding(finding) for finding in self.findings],
            "ranks": [_rank(rank) for rank in self.log.lives()],
            "would_have_said_more": [asdict(one) for one in self.advice],
            "notes": list(self.notes),
        }


def examine(path: Path) -> Result:
    """Read a log and judge it."""
    source, scanner, log = Source(path), Scanner(), Log()
    log.read(scanner.lines_of(source.blocks()))
    if not log.known:
        raise ReportError(_no_log(source, scanner))
    findings = diagnose(log)
    notes = tuple(_notes(source, scanner, log))
    return Result(source.name, scanner.lines, scanner.size, log, findings, advice(log, findings), notes)


def _no_log(source: Source, scanner: Scanner) -> str:
    if scanner.strange is not None:
        line, column, value = scanner.strange
        return f"{source.name}:{line}:{column}: this is no text (byte 0x{value:02x}); {_EXPECTED}"
    if scanner.endless is not None:
        return f"{source.name}:{scanner.endless}:1: this line never ends; {_EXPECTED}"
    many = several(scanner.lines, "line")
    return f"{source.name}:1:1: no scheduler of SGLang speaks in its {many}; {_EXPECTED}"


def _notes(source: Source, scanner: Scanner, log: Log) -> Iterator[str]:
    if source.cut is not None:
        yield f"{source.name}:{scanner.lines}: {source.cut}; what came before it was read"
    if scanner.endless is not None:
        yield f"{source.name}:{scanner.endless}: this line never ends; what came before it was read"
    if log.ended:
        yield f"a scheduler was started {several(len(log.ended) + log.lives_dropped, 'more time')} in this log"
    moved = [rank.name or "the scheduler" for rank in log.lives() if rank.shift]
    if moved:
        yield f"the clock of {moved[0]} was set back; times after it go on from where it was"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.verdict,
        "pool": finding.pool,
        "size": finding.size,
        "ranks": list(finding.ranks),
        "start": finding.life,
        "line": finding.line,
        "time": moment(finding.time),
        "sure": finding.sure,
        "what": finding.what,
        "checks_off": finding.off,
        "checks": finding.checks,
        "balanced_before": None if finding.before is None else _point(finding.before),
        "now": None if finding.now is None else _point(finding.now),
        "drift": [asdict(drift) for drift in finding.drift],
        "moved": dict(finding.moved.changes) if finding.moved else {},
        "near": {"seconds": finding.window, "events": [asdict(one) for one in finding.near]},
        "cannot_tell": list(finding.unknown),
        "message": "; ".join(sentences(finding)),
    }


def _rank(rank: Rank) -> dict[str, Any]:
    return {
        "rank": rank.name,
        "start": rank.life,
        "from": moment(rank.start),
        "to": moment(rank.now),
        "counts": dict(sorted(rank.counts.items())),
        "pools": {pool: _book(book) for pool, book in sorted(rank.books.items())},
    }


def _book(book: Book) -> dict[str, Any]:
    points = book.series.points
    step = -(-len(points) // _MOST_SERIES) or 1
    return {
        "checks": dict(book.checks),
        "off": dict(book.off),
        "came_back": book.returned,
        "series": [_point(point) for point in points[::step]],
    }


def _point(point: Point) -> dict[str, Any]:
    terms = {name: value for name, value in zip(TERMS, point.terms, strict=True) if value is not None}
    return {
        "line": point.line, "time": moment(point.time), "check": point.kind, "total": point.total, **terms,
        "sum_minus_total": point.delta,
    }  # fmt: skip
