"""The model's auditor: after every event it gathers what a judge needs.

The O(1) equation and the O(k) postings are looked at in every event; the full recount when a posting went wrong, at
idle moments, and at the end (`--audit step|event` for more).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sim.engines.protocol import EngineCrash, Terms
from sim.ledger.diagnosis import miscounts
from sim.ledger.findings import Breach, Miscount, PoolCount
from sim.ledger.judge import Judge
from sim.ledger.locks import lock_breaches
from sim.ledger.readback import read_back
from sim.ledger.rebook import books as rebooked
from sim.ledger.recount import Recount
from sim.ledger.verdicts import Verdict
from sim.ledger.watermarks import Watermarks

if TYPE_CHECKING:
    from sim.engines.model import ModelEngine

_IDLE_RECOUNT_UNITS = 200_000


class OurFault(Exception):
    """Incremental books and recount disagree: a mistake of this program, not of the release."""


class Auditor:
    """Audits one run of the model."""

    def __init__(self, engine: ModelEngine) -> None:
        self._engine = engine
        self._scheduler = engine.scheduler
        self._view = engine.scheduler.view
        self._ledger = engine.scheduler.memory.ledger
        self._misreads = engine.scheduler.forward.misreads
        self._audit = engine.config.audit
        self._recount = Recount(engine.scheduler)
        self._watermarks = Watermarks(engine.scheduler)
        self._books = engine.scheduler.view.books()
        self._judge = Judge(self._ledger.context, self, self._books, engine.config.pool.page_size)
        self._docket = self._judge.docket
        self._full = self._judge.full
        self._more = len(self._books) > 1
        self._touched = 0
        self._recounted_at = 0
        self.verdicts = self._docket.verdicts
        self.checks = 0

    @property
    def unlisted(self) -> int:
        """Verdicts beyond those that are kept."""
        return self._docket.unlisted

    def begin(
        self, event: int, time: float, kind: str, *, request: str | None = None, session: str | None = None
    ) -> None:
        """An event begins; postings made from here on belong to it."""
        at = self._ledger.context
        at.event, at.time, at.op = event, time, kind
        at.iteration = self._scheduler.iteration + (kind == "step")
        at.request, at.session = request, session

    def end(self) -> tuple[Verdict, ...]:
        """The event is over: audit it."""
        self.checks += 1
        self._ledger.settle()
        books = self._books = self._view.books()
        available, evictable, protected, held, uncached, total = books["full"]
        breaches = self._watermarks.breaches()
        if (
            available + evictable + protected + held + uncached - total != self._full.expected
            or self._ledger.fresh
            or self._ledger.touched != self._touched
            or self._misreads
            or breaches
            or held + uncached > total
            or evictable < 0
            or protected < 0
            or (self._more and self._off(books))
        ):
            self._submit(books, breaches)
        if self._engine.idle or self._audit != "idle":
            self._recount_if_due()
        if self._engine.alarm is not None:
            self._judge.books = books
            self._judge.alarm(*self._engine.alarm)
            self._engine.alarm = None
        return self._docket.opened() if self._docket.fresh else ()

    def _off(self, books: Mapping[str, Terms]) -> bool:
        """Whether the books of another pool than the full one are off by more than expected, or claim too much."""
        standing = self._judge.standing
        for pool, (available, evictable, protected, held, uncached, total) in books.items():
            if (
                available + evictable + protected + held + uncached - total != standing[pool].expected
                or held + uncached > total
                or evictable < 0
                or protected < 0
            ):
                return True
        return False

    def books(self) -> dict[str, Terms]:
        """The terms at the last event."""
        return self._books

    def loss(self, pool: str = "full") -> tuple[int, int]:
        """Tokens of a pool that nobody owns, and tokens that are free twice or owned twice."""
        count = self._judge.standing[pool].count
        return count.lost, count.extra

    # -- evidence -----------------------------------------------------------------------------------------

    def counts(self) -> Mapping[str, PoolCount]:
        """Each pool, counted now."""
        return self._recount.counts()

    def miscounts(self, pool: str) -> list[Miscount]:
        """Who is counted wrongly by the books of a pool."""
        return miscounts(self._scheduler, pool)

    def _submit(self, books: Mapping[str, Terms] | None, breaches: list[Breach]) -> None:
        """Let the judge see what the event left behind."""
        faults = list(self._ledger.fresh)
        self._ledger.fresh.clear()
        touched, self._touched = self._ledger.touched != self._touched, self._ledger.touched
        misreads = self._misreads.copy()
        self._misreads.clear()
        self._judge.judge(books, faults=faults, touched=touched, misreads=misreads, breaches=breaches)

    # -- recounting ---------------------------------------------------------------------------------------

    def _recount_if_due(self) -> None:
        step = self._ledger.context.op == "step"
        if self._audit == "idle":
            units = self._scheduler.memory.total
            since = self.checks - self._recounted_at
            due = step and self._engine.idle and (units <= _IDLE_RECOUNT_UNITS or since > units // 100)
        else:
            due = step or self._audit == "event"
        if due:
            self.recount()

    def recount(self) -> None:
        """Count everything anew; raise if the incremental books differ, judge what the postings did not show."""
        self._recounted_at = self.checks
        self._view.changed()
        kept, counted = self._view.books(), rebooked(self._scheduler)
        if counted != kept:
            pool = next((pool for pool in kept if kept[pool] != counted.get(pool)), "")
            event = self._ledger.context.event
            told = f"incremental books of {pool} {kept.get(pool)} but recounted {counted.get(pool)}"
            raise OurFault(f"event {event}: {told}")
        differs = self._recount.postings_differ()
        if differs:
            raise OurFault(f"event {self._ledger.context.event}: {differs}")
        self._judge.books = self._books
        self._judge.recounted(self._recount.counts())
        for breach in lock_breaches(self._scheduler):
            self._judge.breach(breach)
        read_back(self._scheduler)
        if self._misreads:
            self._judge.misread(self._misreads)
            self._misreads.clear()

    # -- endings ------------------------------------------------------------------------------------------

    def crash(self, error: EngineCrash, *, look: bool = True) -> Verdict:
        """The scheduler raised during the open event; `look`: judge first what that left behind."""
        if look:
            self._ledger.settle()
            self._view.changed()
            books = self._books = self._view.books()
            if self._ledger.fresh or self._misreads:
                # Where no posting went wrong, what the books are off by is on its way: allocated, and not named yet.
                self._submit(books if self._ledger.fresh else None, [])
        return self._judge.crash(error)

    def stuck(self, message: str) -> Verdict:
        """Work waits and nothing can ever run."""
        scheduler = self._scheduler
        first = scheduler.parked or next(iter(scheduler.waiting), None)
        session = first.session.name if first is not None and first.session is not None else None
        rid = first.rid if first is not None else None
        self._judge.books = self._books
        return self._judge.stuck(message, rid, session, self._engine.waiting, scheduler.short)

    def finish(self) -> None:
        """The run is over: recount once more."""
        self._books = self._view.books()
        self.recount()
