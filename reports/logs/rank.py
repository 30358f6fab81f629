"""What a log says of one rank, from one start of its scheduler to the next."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reports.logs.batches import Batch
from reports.logs.book import Book, Point
from reports.logs.messages import Kind, Stated
from reports.logs.thinned import Thinned

ADMITTED, RETRACTED, ABORTED, RELEASED = "admitted request", "retracted request", "aborted request", "released session"
PREFILLS, DECODES = "prefill batch", "decode batch line"
ANSWERED, FINISHED = "answered request", "finished request"
BESIDE = (RETRACTED, ABORTED, RELEASED)
"""What may stand near a break."""
_REMEMBERED = 512
MOST_POOLS = 16
Counts = Callable[[], Mapping[str, int]]


@dataclass(slots=True)
class Load:
    """What neighbouring batch lines state: the most and the least that was in use, the most running and waiting."""

    time: float
    until: float
    used: dict[str, float]
    least: dict[str, float]
    running: float
    waiting: float


def _together(one: Load, other: Load) -> Load:
    """The second goes into the first: there is one of them for each batch line of a log."""
    one.until = other.until
    for pool, used in other.used.items():
        least = other.least[pool]
        if used > one.used.get(pool, -1.0):
            one.used[pool] = used
        if least < one.least.setdefault(pool, least):
            one.least[pool] = least
    if other.running > one.running:
        one.running = other.running
    if other.waiting > one.waiting:
        one.waiting = other.waiting
    return one


@dataclass(slots=True)
class Raised:
    """The scheduler raised: where, when, and the exception's own line once it is read."""

    line: int
    time: float
    what: str = ""
    what_line: int = 0


@dataclass(slots=True)
class Rank:
    """One life of one rank."""

    name: str
    life: int = 1
    start: float = 0.0
    now: float = 0.0
    shift: float = 0.0
    batches: int = 0
    total: int | None = None
    begun: int | None = None
    """The line of its start, or of its server's."""
    books: dict[str, Book] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    load: Thinned[Load] = field(default_factory=lambda: Thinned(_together))
    crash: Raised | None = None
    flushes: int = 0
    _recent: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)
    _pending: tuple[int, tuple[int, int, int, int]] | None = None
    """What 0.5.10 has logged of a busy check whose outcome is not known yet."""

    def moment(self, time: float | None) -> float:
        """The time of a record; a clock that is set back goes on from where it was."""
        if time is None:
            return self.now
        time += self.shift
        if time < self.now - 1:
            self.shift += self.now - time
        self.start = self.start or time
        self.now = max(self.now, time)
        return self.now

    def note(self, kind: str, count: int = 1) -> None:
        """Something happened."""
        self.counts[kind] += count
        recent = self._recent.get(kind)
        if recent is None:
            recent = self._recent[kind] = deque(maxlen=_REMEMBERED)
        recent.append((self.now, count))

    def noted(self, kind: str, since: float) -> int:
        """How often it happened since then, as far as that is remembered."""
        return sum(count for time, count in self._recent.get(kind, ()) if time >= since)

    def batch(self, batch: Batch) -> None:
        """A line about a batch."""
        decode, new, used, usage, running, waiting = batch
        self.settle()
        self.batches += 1
        if decode:
            self.counts[DECODES] += 1
        else:
            self.counts[PREFILLS] += 1
            self.counts[ADMITTED] += new
        if not used and usage is not None and self.total is not None:
            used = {"full": usage * self.total}
        self.load.add(Load(self.now, self.now, used, used.copy(), running, waiting))

    def busy(self, line: int, terms: tuple[int, int, int, int]) -> None:
        """0.5.10 says what a busy check is about to add up; whether it held, the next record tells."""
        self.settle()
        self._pending = line, terms

    def settle(self) -> None:
        """The scheduler went on: the busy check that was pending has held."""
        if self._pending is None or self.total is None:
            self._pending = None
            return
        line, (available, evictable, protected, uncached) = self._pending
        self._pending = None
        held = self.total - available - evictable - protected - uncached
        point = Point(line, self.now, "busy", self.total, (available, evictable, protected, held, uncached), 0)
        self._add("full", point, lambda: self.counts)

    def stated(self, line: int, kind: Kind, stated: Stated, raised: bool, counts: Counts) -> bool:
        """A check of a pool; True if its books break here for the first time."""
        total = self.total if stated.total is None else stated.total
        if total is None or stated.delta is None:
            return False
        terms = stated.terms
        if self._pending is not None and terms == (None,) * 5:
            _, (available, evictable, protected, uncached) = self._pending
            held = total + stated.delta - available - evictable - protected - uncached
            terms = (available, evictable, protected, held, uncached)
            self._pending = None
        self.settle()
        if stated.pool == "full" and self.total is None:
            self.total = total
        return self._add(stated.pool, Point(line, self.now, kind, total, terms, stated.delta, raised), counts)

    def _add(self, pool: str, point: Point, counts: Counts) -> bool:
        if pool not in self.books and len(self.books) >= MOST_POOLS:
            return False
        return self.books.setdefault(pool, Book(pool)).add(point, counts)

    def flush(self) -> None:
        """The caches were emptied."""
        self.settle()
        self.flushes += 1
        for book in self.books.values():
            book.flush()
