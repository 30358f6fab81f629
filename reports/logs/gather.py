"""Reads a whole log once: each rank's books, loads and events, in memory that does not grow with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reports.logs import messages
from reports.logs.batches import Batch, Shapes, batch_of
from reports.logs.messages import Kind
from reports.logs.rank import ABORTED, ANSWERED, BESIDE, FINISHED, RELEASED, RETRACTED, Raised, Rank
from reports.logs.records import STAMP, Record, Records
from reports.logs.scanning import Line

NEAR = 60.0
"""Seconds before a break that are looked at where no check before it is known."""
_MOST_RANKS = 512
_MOST_LIVES = 64
_RELEASES = ("Session KV released: ", "Session closed: ")
_DP = re.compile(r"DP\d+")
UNKNOWN = "rank ?"
"""Whose name stands for checks of which a log with several ranks does not say whose they are."""


@dataclass(slots=True)
class _Head:
    """Whose text the next lines without a stamp go on with, and the crash whose traceback they are of."""

    rank: str
    kind: Kind | None
    raised: bool = False
    crash: Raised | None = None


@dataclass
class Log:
    """What is known of a log."""

    ranks: dict[str, Rank] = field(default_factory=dict)
    ended: list[Rank] = field(default_factory=list)
    lives_dropped: int = 0
    answered: int = 0
    known: int = 0
    """Records that a server of SGLang has printed."""
    settings: dict[str, str] = field(default_factory=dict)
    died: Raised | None = None
    seen: Counter[str] = field(default_factory=Counter)
    """How often the log says things of each kind: what would have said more depends on it."""
    forms: Counter[str] = field(default_factory=Counter)
    """Checks by the wording of which releases they have."""
    time: float = 0.0
    _stamped: bool = False
    _head: _Head | None = None
    _begun: int | None = None
    """The line where a server, or the first of its ranks to say so, was started."""
    _shapes: Shapes = field(default_factory=Shapes)

    def read(self, lines: Iterable[Line]) -> None:
        """All of it."""
        records = Records()
        for line in lines:
            if not line.cut and self._batch_again(line.text, records):
                continue
            for part in records.unpacked(line):
                if messages.answered(part.text):
                    self.answered += 1
                elif part is line or part.cut or not self._batch_again(part.text, records):
                    for record in records.of(part):
                        self.record(record)
        for rank in self.ranks.values():
            rank.settle()

    def lives(self) -> list[Rank]:
        """Every life of every rank, the older ones first."""
        return [*self.ended, *(self.ranks[name] for name in sorted(self.ranks, key=_natural))]

    # -- record by record ---------------------------------------------------------------------------------

    def record(self, record: Record) -> None:
        """One record."""
        if record.stamped:
            self._heard(record.rank, record.time)
            if record.text.startswith(("Decode batch", "Prefill batch")):
                self._batch(record)
                return
        elif record.time is not None:
            self.time = record.time
        self._others(record)

    def _heard(self, rank: str, time: float | None) -> None:
        """A rank begins a record of its own."""
        if time is not None:
            self.time = time
        self._stamped = True
        if self._head is not None and self._head.rank == rank:
            self._head = None

    def _others(self, record: Record) -> None:
        self._exception(record)
        if not (record.stamped or self._stamped):
            record = record._replace(text=messages.without_prefix(record.text))
        own = record.stamped or not self._stamped
        text = record.text
        if own and (tokens := messages.begun(text)) is not None:
            self._begin(record, tokens)
        elif self._checks(record):
            self._figures(record)
        elif "batch" in text and not record.stamped:
            if own and record.time is not None:
                self._batch(record)
        elif messages.died(text):
            self._crash(record)
        elif text.startswith("server_args="):
            self.settings |= messages.settings_in(text)
            self.known += 1
            self._begun = record.line
        elif text.startswith("Scheduler watchdog timeout"):
            self._crash(record, f"Hang: {text}")
        elif text.startswith("Received sigquit from a child"):
            self.died = self.died or Raised(record.line, self.time, text)
            self.known += 1
        elif own:
            self._event(record)

    def _batch(self, record: Record) -> None:
        batch = batch_of(record.text)
        if batch is None or record.cut:
            return
        if record.stamped:
            self._shapes.learn(record.text)
        self._ran(self._rank(record), batch)

    def _batch_again(self, text: bytes, records: Records) -> bool:
        """A line that is a batch and nothing else, in a form that is known; False if it is another one."""
        stamp = STAMP.match(text)
        if stamp is None or (batch := self._shapes.of(text, stamp.end())) is None:
            return False
        name, time = records.rank(stamp[4]), records.time(stamp)
        self._heard(name, time)
        self._ran(self._named(name, time), batch)
        return True

    def _ran(self, rank: Rank | None, batch: Batch) -> None:
        if rank is not None:
            self.known += 1
            rank.batch(batch)

    def _event(self, record: Record) -> None:
        """Retracts, aborts, sessions and flushes."""
        text = record.text
        kind, count = "", 1
        if messages.aborted(text):
            kind = ABORTED
        elif text.startswith(_RELEASES):
            kind = RELEASED if text.startswith(_RELEASES[0]) or self.seen["kv released"] == 0 else ""
            self.seen["kv released"] += text.startswith(_RELEASES[0])
        elif text.startswith("Req Time Stats("):
            kind = FINISHED
        elif (many := messages.retracted(text)) is not None:
            kind, count = RETRACTED, many
        elif not text.startswith(("Cache flushed", "Session ", "Deferring session")):
            return
        rank = self._rank(record)
        if rank is None:
            return
        self.known += 1
        if text.startswith("Cache flushed"):
            rank.flush()
        elif kind:
            self.seen[kind] += count
            rank.note(kind, count)

    # -- checks -------------------------------------------------------------------------------------------

    def _checks(self, record: Record) -> bool:
        """Whether a check speaks: it begins with this record, or goes on in it."""
        text = record.text
        opened = messages.opening(text)
        if opened is None:
            if record.stamped and "debug info:" in text:
                self._head = _Head(record.rank, None)
            open_check = not record.stamped and self._head is not None and self._head.kind is not None
            return open_check and messages.goes_on(text)
        kind, raised_there = opened
        in_crash = self._head is not None and self._head.raised and not record.stamped
        name = self._head.rank if self._head is not None and not record.stamped else record.rank
        crash = self._head.crash if self._head is not None and in_crash else None
        self._head = _Head(name if in_crash else self._whose(record, name), kind, in_crash or raised_there, crash)
        return True

    def _figures(self, record: Record) -> None:
        """What a check states."""
        text, head = record.text, self._head
        rank = self._rank(record)
        if rank is None or head is None or head.kind is None:
            return
        old = messages.old_busy(text, record.cut) if "(BUSY)" in text else None
        if old is not None:
            self.forms["0.5.10"] += 1
            self.seen["busy lines"] += 1
            self.known += 1
            rank.busy(record.line, old)
        for stated in messages.stated_in(text, record.cut):
            self.known += 1
            self.forms["0.5.10" if "self." in text or "total_tokens=" in text else "0.5.11"] += stated.pool != "rows"
            self.seen["busy lines"] += "(BUSY)" in text
            broke = rank.stated(record.line, head.kind, stated, head.raised, lambda: self._counts(rank))
            if broke:
                self._look_around(rank, stated.pool)

    def _whose(self, record: Record, name: str) -> str:
        """The rank that a check without a stamp belongs to: the only one there is, or nobody can tell."""
        return name if record.stamped or len(self.ranks) <= 1 else UNKNOWN

    def _look_around(self, rank: Rank, pool: str) -> None:
        """What happened in the time before a first break."""
        book = rank.books[pool]
        first, before = book.first, book.before
        if first is None:
            return
        book.window = max(1.0, first.time - before.time if before is not None else min(NEAR, first.time - rank.start))
        since = first.time - book.window
        for kind in BESIDE:
            whose = [rank] if rank.counts[kind] else self._beside(rank)
            book.near[kind] = max((other.noted(kind, since) for other in whose), default=0)

    def _counts(self, rank: Rank) -> Mapping[str, int]:
        """What a drift can be counted against; what this rank leaves to another to print, from there."""
        counts = Counter(rank.counts)
        for other in self._beside(rank):
            for kind, count in other.counts.items():
                if not rank.counts[kind]:
                    counts[kind] = max(counts[kind], count)
        if self.answered:
            counts[ANSWERED] = self.answered
        return counts

    def _beside(self, rank: Rank) -> list[Rank]:
        """The other ranks of the same replica."""
        replica = _DP.findall(rank.name)
        return [other for other in self.ranks.values() if other is not rank and _DP.findall(other.name) == replica]

    # -- ranks --------------------------------------------------------------------------------------------

    def _rank(self, record: Record) -> Rank | None:
        """Whose record it is; its clock is set."""
        name = record.rank
        if not record.stamped and self._head is not None:
            name = self._head.rank
        elif not record.stamped and len(self.ranks) == 1:
            name = next(iter(self.ranks))
        return self._named(name, record.time if record.time is not None or record.stamped else self.time)

    def _named(self, name: str, time: float | None) -> Rank | None:
        rank = self.ranks.get(name)
        if rank is None:
            if len(self.ranks) >= _MOST_RANKS:
                return None
            rank = self.ranks[name] = Rank(name, begun=self._begun)
        rank.moment(time)
        return rank

    def _begin(self, record: Record, tokens: int) -> None:
        """A scheduler has been made; one that was there before is gone."""
        self.known += 1
        self._begun = self._begun or record.line
        old = self.ranks.get(record.rank)
        if old is not None and (old.batches or old.books or old.crash):
            old.settle()
            if len(self.ended) < _MOST_LIVES:
                self.ended.append(old)
            else:
                self.lives_dropped += 1
            self.ranks[record.rank] = Rank(record.rank, life=old.life + 1)
        rank = self._rank(record)
        if rank is not None:
            rank.total, rank.begun = tokens, record.line

    def _crash(self, record: Record, what: str = "") -> None:
        rank = self._rank(record)
        if rank is None:
            return
        self.known += 1
        crash = Raised(record.line, rank.now, what, record.line if what else 0)
        rank.crash = rank.crash or crash
        self._head = _Head(rank.name, None, True, crash)

    def _exception(self, record: Record) -> None:
        """The line of an exception in an open traceback; of several in a row the last one is what ended it."""
        crash = None if record.stamped or self._head is None else self._head.crash
        if crash is not None and (what := messages.raised(record.text)) is not None:
            crash.what, crash.what_line = what, record.line


def _natural(name: str) -> list[tuple[int, str]]:
    """TP10 after TP9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
