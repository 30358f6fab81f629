"""What the books of a log amount to: verdicts in our words, and what a log cannot tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from reports.logs.book import Book, Point
from reports.logs.drift import Drift, Moved, drifts, moved
from reports.logs.gather import Log
from reports.logs.rank import BESIDE, Rank
from reports.numbers import count, several

LATE = "nothing is known of the time before its first line"
_OWNED = "whether the slots have no owner, or a counter of the tree or of a session is wrong: it shows the books only"
_BATCHES = (
    "whether it is lost, or belongs to a request that the check did not count: nothing was looked at again when idle"
)
_TWICE = "whether something was freed twice, or is counted twice while the memory is fine"
_BACK = "whether the memory was fine all along, or what was missing has been given back"
_HELD = "how much of it sessions hold: this message leaves session_held out"
_ONCE = "whether it grows: it was printed once"


@dataclass(frozen=True, kw_only=True)
class Near:
    """How often something happened in the time before the break, and how often is usual in such a time."""

    kind: str
    count: int
    usual: float


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One disagreement, on one rank or on several alike."""

    verdict: str
    pool: str
    size: int
    ranks: tuple[str, ...]
    life: int
    line: int
    time: float
    sure: bool
    what: str
    unknown: tuple[str, ...] = ()
    begun: int | None = None
    before: Point | None = None
    now: Point | None = None
    off: int = 0
    checks: int = 0
    drift: tuple[Drift, ...] = ()
    moved: Moved | None = None
    window: float = 0.0
    near: tuple[Near, ...] = ()

    @property
    def alike(self) -> tuple[object, ...]:
        """What ranks that do the same thing have in common."""
        return self.verdict, self.pool, self.size, self.life, self.sure, self.off


def diagnose(log: Log) -> tuple[Finding, ...]:
    """Every finding, what came first first; ranks that agree stand together."""
    found = [finding for rank in log.lives() for finding in _of_rank(rank)]
    if log.died is not None and not any(finding.verdict == "crash" for finding in found):
        found.append(
            Finding(
                verdict="crash", pool="full", size=0, ranks=("",), life=1, line=log.died.line, time=log.died.time,
                sure=False, what="the server says that a child process failed",
                unknown=("what was raised: the words of the process that failed are not in it",),
            )
        )  # fmt: skip
    found.sort(key=lambda finding: str(finding.alike))
    groups = [list(group) for _, group in groupby(found, key=lambda finding: finding.alike)]
    joined = [replace(group[0], ranks=tuple(f.ranks[0] for f in group)) for group in groups]
    return tuple(sorted(joined, key=lambda finding: (finding.line, finding.verdict == "crash")))


def _of_rank(rank: Rank) -> Iterator[Finding]:
    for book in rank.books.values():
        if book.first is not None:
            yield _of_book(rank, book, book.first)
    if rank.crash is not None:
        what = rank.crash.what or "the scheduler hit an exception"
        yield Finding(
            verdict="crash", pool=_raising(rank), size=0, ranks=(rank.name,), life=rank.life, sure=True, what=what,
            line=rank.crash.what_line or rank.crash.line, time=rank.crash.time,
            unknown=() if rank.crash.what else ("what was raised: the end of the traceback is not in it",),
        )  # fmt: skip


def _raising(rank: Rank) -> str:
    """The pool whose check raised, as far as one did."""
    raising = (book.pool for book in rank.books.values() if book.last_off is not None and book.last_off.raised)
    return next(raising, "full")


def _of_book(rank: Rank, book: Book, first: Point) -> Finding:
    verdict, sure, what, unknown = _judged(rank, book, first)
    now = book.last_off if book.last_off is not None else first
    size = now.delta
    if not now.whole and now.terms[0] is not None:
        unknown = (*unknown, _HELD)
    duration = max(rank.now - rank.start, book.window)
    near = tuple(
        Near(kind=kind, count=book.near[kind], usual=rank.counts[kind] / duration * book.window if duration else 0.0)
        for kind in BESIDE
        if book.near.get(kind)
    )
    return Finding(
        verdict=verdict, pool=book.pool, size=size, ranks=(rank.name,), life=rank.life, line=first.line,
        time=first.time, sure=sure, what=what, unknown=unknown, begun=rank.begun, before=book.before, now=book.last,
        off=sum(book.off.values()), checks=sum(book.checks.values()), drift=drifts(book), moved=moved(book),
        window=book.window, near=near,
    )  # fmt: skip


def _judged(rank: Rank, book: Book, first: Point) -> tuple[str, bool, str, tuple[str, ...]]:
    """The verdict, whether the log settles it, the sentence, and what it leaves open."""
    last = book.last if book.last is not None else first
    off = book.last_off if book.last_off is not None else first
    if last.delta == 0 and not _flushed_away(book):
        return "false-alarm", False, f"the balance came back by itself, {_times(book.returned)}", (_BACK,)
    if book.returned and not book.since["idle"] and book.since["busy"] and last.delta:
        what = f"off only while batches ran; the balance had come back by itself, {_times(book.returned)}"
        return "false-alarm", False, what, (_BACK,)
    name = "leak" if off.delta < 0 else "double-free"
    idle = book.off["idle"]
    open_ends = [_TWICE] if off.delta > 0 else [_OWNED] if idle else [_BATCHES]
    if sum(book.off.values()) == 1:
        open_ends.append(_ONCE)
    if book.before is None and rank.begun is None:
        open_ends.append(f"since when: {LATE}")
    return name, bool(idle) and off.delta < 0, _sentence(book, off), tuple(open_ends)


def _sentence(book: Book, off: Point) -> str:
    idle, busy = book.off["idle"], book.off["busy"]
    where = "while nothing ran" if idle else "while batches ran"
    kind = "missing" if off.delta < 0 else "counted too often"
    text = f"{count(abs(off.delta))} of {count(off.total)} {kind} {where} ({several(idle or busy, 'check')} off)"
    if _flushed_away(book):
        text += "; a flush of the cache gave it back"
    return text


def _flushed_away(book: Book) -> bool:
    """Whether what was missing was last seen before a flush."""
    return book.flushed is not None and book.flushed is book.last_off


def _times(number: int) -> str:
    return "once" if number == 1 else f"{count(number)} times"
