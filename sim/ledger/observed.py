"""The auditor of an engine in another process: what its worker has seen after each event goes to the judge.

Nothing is computed here. The counts were made there, from the tensors of the engine; see `sim.engines.sglang.watch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sim.config import RunConfig
from sim.engines.protocol import EngineCrash, Terms
from sim.ledger.findings import Breach, Miscount, Misread, PoolCount
from sim.ledger.judge import Judge
from sim.ledger.owners import Context, Fault
from sim.ledger.verdicts import Verdict


class Observable(Protocol):
    """An engine whose memory is looked at where it lies."""

    seen: dict[str, Any]
    alarm: tuple[str, str] | None

    def observe(self) -> None:
        """Look at all of it once more."""


class ObservedAuditor:
    """Audits one run of an engine by what was seen of it."""

    def __init__(self, engine: Observable, config: RunConfig) -> None:
        self._engine = engine
        self._at = Context()
        sizes = config.pool.sizes
        books = {pool: Terms(size, 0, 0, 0, 0, size) for pool, size in sizes.items()}
        self._judge = Judge(self._at, self, books, config.pool.page_size)
        self._docket = self._judge.docket
        self._seen: dict[str, Any] = {}
        self._counts = {pool: PoolCount(pool, 0, 0, (), ()) for pool in (*sizes, "rows")}
        self._steps = 0
        self.verdicts = self._docket.verdicts
        self.checks = 0

    @property
    def unlisted(self) -> int:
        """Verdicts beyond those that are kept."""
        return self._docket.unlisted

    def begin(
        self, event: int, time: float, kind: str, *, request: str | None = None, session: str | None = None
    ) -> None:
        """An event begins."""
        at = self._at
        self._steps += kind == "step"
        at.event, at.time, at.op, at.iteration = event, time, kind, self._steps
        at.request, at.session = request, session

    def end(self) -> tuple[Verdict, ...]:
        """The event is over: judge what was seen of it."""
        self.checks += 1
        self._look()
        alarm = self._engine.alarm
        if alarm is not None:
            self._judge.alarm(*alarm)
            self._engine.alarm = None
        return self._docket.opened() if self._docket.fresh else ()

    def books(self) -> dict[str, Terms]:
        """The terms at the last event."""
        return dict(self._judge.books)

    def loss(self, pool: str = "full") -> tuple[int, int]:
        """Tokens of a pool that nobody owns, and tokens that are free twice or owned twice."""
        count = self._judge.standing[pool].count
        return count.lost, count.extra

    # -- evidence -----------------------------------------------------------------------------------------

    def counts(self) -> Mapping[str, PoolCount]:
        """Each pool, as last counted."""
        return self._counts

    def miscounts(self, pool: str) -> list[Miscount]:
        """Who is counted wrongly by the books of a pool."""
        made = (Miscount(**miscount) for miscount in self._seen.get("miscounts", ()))
        return [miscount for miscount in made if miscount.pool == pool]

    def _look(self, *, crashed: bool = False) -> None:
        """Judge the last observation; after a crash only what went wrong, as the books stand half-way."""
        seen = self._seen = self._engine.seen
        if not seen:
            return
        at, judge = self._at, self._judge
        if "about" in seen:
            at.request, at.session = seen["about"]
        books = None
        if "terms" in seen:
            books = judge.books = {pool: Terms(*terms) for pool, terms in seen["terms"].items()}
        if "counts" in seen:
            self._counts = {pool: _count(pool, count) for pool, count in seen["counts"].items()}
        faults = [self._fault(fault) for fault in seen.get("faults", ())]
        breaches = [Breach(**breach) for breach in seen.get("breaches", ())]
        misreads = [_misread(misread) for misread in seen.get("misreads", ())]
        touched = bool(faults) or "touched" in seen
        if crashed:
            if not seen.get("chosen"):
                # Between allocating and naming what was allocated, or between freeing and forgetting it: what belongs
                # to nobody, or to two, is on its way.
                faults, touched, books = [], False, None
            if faults or misreads:
                judge.judge(books, faults=faults, touched=touched, misreads=misreads)
            return
        if touched or breaches or misreads or judge.off():
            judge.judge(books, faults=faults, touched=touched, misreads=misreads, breaches=breaches)
        if "counts" in seen:
            judge.recounted(self._counts)
        judge.misread(_misread(misread) for misread in seen.get("reread", ()))

    def _fault(self, fault: Mapping[str, Any]) -> Fault:
        at = self._at
        return Fault(event=at.event, iteration=at.iteration, time=at.time, op=at.op, **fault)

    # -- endings ------------------------------------------------------------------------------------------

    def crash(self, error: EngineCrash, *, look: bool = True) -> Verdict:
        """The engine raised during the open event; `look`: judge first what that left behind."""
        if look:
            self._look(crashed=True)
        return self._judge.crash(error)

    def stuck(self, message: str) -> Verdict:
        """Work waits and nothing can ever run."""
        request, session, waiting, short = self._seen.get("waiting", (None, None, 0, None))
        return self._judge.stuck(message, request, session, waiting, short)

    def finish(self) -> None:
        """The run is over: look at everything once more."""
        self._engine.observe()
        self._look()


def _count(pool: str, count: Mapping[str, Any]) -> PoolCount:
    return PoolCount(
        pool, count["lost"], count["extra"], tuple(count["lost_units"]), tuple(count["shared_units"])
    )


def _misread(misread: Mapping[str, Any]) -> Misread:
    return Misread(**{**misread, "slots": tuple(misread["slots"])})
