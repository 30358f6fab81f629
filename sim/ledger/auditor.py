"""The audit: after every event the books, the ledger and the canary are compared, and what differs is judged.

    books off by d, ledger off by l = extra − lost

    d − l ≠ 0            the check itself is wrong           false-alarm
    l ≠ 0 and d = 0      no check of the release can see it  silent
    l ≠ 0 and d ≠ 0      as the posting that did it          leak, double-free, alias

The O(1) equation and the O(k) postings are looked at in every event; the full recount when a posting went wrong, at
idle moments, and at the end (`--audit step|event` for more).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.engines.protocol import EngineCrash, Terms
from sim.ledger.diagnosis import miscounts
from sim.ledger.owners import Fault
from sim.ledger.recount import PoolCount, Recount
from sim.ledger.verdicts import Cause, Verdict
from sim.ledger.watermarks import Breach, Watermarks

if TYPE_CHECKING:
    from sim.engines.model import ModelEngine

MOST_VERDICTS = 1000
_IDLE_RECOUNT_UNITS = 200_000
_KINDS = {
    "orphan": ("leak", -1),
    "double-free": ("double-free", 1),
    "foreign-free": ("alias", 1),
    "alias": ("alias", 1),
}


class OurFault(Exception):
    """Incremental books and recount disagree: a mistake of this program, not of the release."""


class Auditor:
    """Judges one run."""

    def __init__(self, engine: ModelEngine) -> None:
        self._engine = engine
        self._scheduler = engine.scheduler
        self._view = engine.scheduler.view
        self._ledger = engine.scheduler.memory.ledger
        self._misreads = engine.scheduler.forward.misreads
        self._audit = engine.config.audit
        self._recount = Recount(engine.scheduler)
        self._watermarks = Watermarks(engine.scheduler)
        self._terms = engine.scheduler.view.terms()
        self._count = PoolCount("full", 0, 0, (), ())
        self._rows_error = 0
        self._residual = 0
        self._expected = 0
        self._touched = 0
        self._recounted_at = 0
        self._breached: set[str] = set()
        self._undetected: list[Verdict] = []
        self._opened: list[Verdict] = []
        self.verdicts: list[Verdict] = []
        self.unlisted = 0
        self.checks = 0

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
        terms = self._terms = self._view.terms()
        available, evictable, protected, held, uncached, total = terms
        breaches = self._watermarks.breaches()
        if (
            available + evictable + protected + held + uncached - total != self._expected
            or self._ledger.fresh
            or self._ledger.touched != self._touched
            or self._misreads
            or breaches
            or held + uncached > total
            or evictable < 0
            or protected < 0
        ):
            self._judge(terms, breaches)
        if self._engine.idle or self._audit != "idle":
            self._recount_if_due()
        if self._engine.alarm is not None:
            self._detected(self._engine.alarm[0])
            self._engine.alarm = None
        if not self._opened:
            return ()
        opened, self._opened = tuple(self._opened), []
        return opened

    def books(self) -> dict[str, Terms]:
        """The terms at the last event."""
        return {"full": self._terms}

    def loss(self) -> tuple[int, int]:
        """Tokens that nobody owns, and tokens that are free twice or owned twice."""
        return self._count.lost, self._count.extra

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
        kept, counted = self._view.terms(), self._recount.terms()
        if counted != kept:
            raise OurFault(f"event {self._ledger.context.event}: incremental books {kept} but recounted {counted}")
        differs = self._recount.postings_differ()
        if differs:
            raise OurFault(f"event {self._ledger.context.event}: {differs}")
        self._compare(self._recount.full(), self._recount.rows())
        for what in self._recount.locks():
            self._judge_breach(Breach("INV-7", what, what, None, None, 1))
        self._recount.read_back()
        if self._misreads:
            self._judge_misreads()

    def _compare(self, full: PoolCount, rows: PoolCount) -> None:
        """A recount that shows more than the postings did is a finding of its own."""
        if (full.lost, full.extra) != (self._count.lost, self._count.extra):
            lost, extra = full.lost - self._count.lost, full.extra - self._count.extra
            self._count = full
            if lost > 0:
                self._found("leak", "full", -lost, f"{lost} slots are owned by nobody", full.lost_units)
            if extra > 0:
                self._found(
                    "alias",
                    "full",
                    extra,
                    f"{extra} slots are free and named, or named by two",
                    full.shared_units,
                )
            self._residual = self._terms.delta - full.error
            self._expected = self._terms.delta
        if rows.error != self._rows_error:
            change = rows.error - self._rows_error
            self._rows_error = rows.error
            if change < 0:
                self._found("leak", "rows", change, f"{-change} rows belong to nobody", rows.lost_units)
            else:
                self._found("alias", "rows", change, f"{change} rows are free and named, or named by two",
                            rows.shared_units)  # fmt: skip

    def _found(self, kind: str, pool: str, size: int, what: str, units: tuple[int, ...]) -> None:
        at = self._ledger.context
        cause = Cause(
            f"{what} (found by the recount)", at.event, at.iteration, at.time, at.op, at.request, at.session,
            list(units), abs(size),
        )  # fmt: skip
        self._open_ownership(kind, pool, size, cause, what)

    def _open_ownership(self, kind: str, pool: str, size: int, cause: Cause, message: str) -> None:
        """Damage to who owns what; `silent` if the books balance over it."""
        if pool == "full" and self._terms.delta == 0 and (self._count.lost or self._count.extra):
            kind, message = "silent", f"{kind}: {message}"
        self._open(kind, pool, size, cause, message)

    # -- judging ------------------------------------------------------------------------------------------

    def _judge(self, terms: Terms, breaches: list[Breach]) -> None:
        before = self._count
        faults = list(self._ledger.fresh)
        self._ledger.fresh.clear()
        if self._ledger.touched != self._touched:
            self._touched = self._ledger.touched
            self._count = self._recount.full()
            self._rows_error = self._recount.rows().error
        for fault in faults:
            self._judge_fault(fault, terms)
        self._judge_unposted(before, faults)
        self._expected = terms.delta
        known, residual = self._residual, terms.delta - self._count.error
        if residual not in (0, known) and len(self.verdicts) < MOST_VERDICTS:
            # Before the check is blamed: is there damage that no posting showed?
            self._compare(self._recount.full(), self._recount.rows())
            residual = terms.delta - self._count.error
        self._residual = residual
        if residual not in (0, known):
            self._false_alarm(residual, terms)
        self._judge_misreads()
        for breach in breaches:
            self._judge_breach(breach)
        if terms.session_held + terms.uncached > terms.total:
            self._limit_passed(terms)

    def _judge_misreads(self) -> None:
        for misread in self._misreads:
            at = self._ledger.context
            key = f"{misread.invariant} {misread.session or misread.rid} {misread.slots or at.event}"
            if key in self._breached:
                continue
            self._breached.add(key)
            cause = Cause(
                misread.what, at.event, at.iteration, at.time, at.op, misread.rid, misread.session,
                list(misread.slots), abs(misread.size),
            )  # fmt: skip
            self._open("corrupt", "full", misread.size, cause, misread.what, invariant=misread.invariant)
        self._misreads.clear()

    def _judge_fault(self, fault: Fault, terms: Terms) -> None:
        kind, sign = _KINDS[fault.kind]
        cause = Cause(
            fault.what, fault.event, fault.iteration, fault.time, fault.op, fault.request, fault.session,
            fault.units, fault.count,
        )  # fmt: skip
        message = f"{fault.what}; {_equation(terms)}"
        self._open_ownership(kind, fault.pool, sign * fault.count, cause, message)

    def _judge_unposted(self, before: PoolCount, faults: list[Fault]) -> None:
        """Damage in this event beyond what its faulty postings account for."""
        lost = (
            self._count.lost
            - before.lost
            - sum(f.count for f in faults if f.kind == "orphan" and f.pool == "full")
        )
        if lost > 0:
            self._found("leak", "full", -lost, f"{lost} slots are owned by nobody", self._count.lost_units)

    def _false_alarm(self, residual: int, terms: Terms) -> None:
        at = self._ledger.context
        wrong = miscounts(self._scheduler)
        what = "; ".join(m.text for m in wrong) or "no single owner is counted wrongly"
        first = wrong[0] if wrong else None
        cause = Cause(
            what, at.event, at.iteration, at.time, at.op,
            first.request if first else at.request, first.session if first else at.session, [], abs(residual),
        )  # fmt: skip
        self._open(
            "false-alarm",
            "full",
            residual,
            cause,
            f"the books are off, the memory is not: {_equation(terms)}",
        )

    def _judge_breach(self, breach: Breach) -> None:
        if breach.key in self._breached:
            return
        self._breached.add(breach.key)
        at = self._ledger.context
        cause = Cause(
            breach.text,
            at.event,
            at.iteration,
            at.time,
            at.op,
            breach.request,
            breach.session,
            [],
            abs(breach.size),
        )
        kind = "alias" if breach.invariant == "INV-5" else "watermark"
        pool = "rows" if breach.invariant == "INV-5" else "full"
        self._open(kind, pool, breach.size, cause, breach.text, invariant=breach.invariant)

    def _limit_passed(self, terms: Terms) -> None:
        if "INV-2" in self._breached:
            return
        self._breached.add("INV-2")
        at = self._ledger.context
        over = terms.session_held + terms.uncached - terms.total
        what = f"session_held {terms.session_held} + uncached {terms.uncached} > total {terms.total}"
        cause = Cause(what, at.event, at.iteration, at.time, at.op, at.request, at.session, [], over)
        self._open("false-alarm", "full", over, cause, what, invariant="INV-2")

    def _open(
        self, kind: str, pool: str, size: int, cause: Cause, message: str, *, invariant: str = ""
    ) -> Verdict:
        at = self._ledger.context
        verdict = Verdict(
            kind,
            pool,
            size,
            at.event,
            at.iteration,
            at.time,
            cause.request,
            cause.session,
            cause,
            message,
            invariant,
        )
        if len(self.verdicts) >= MOST_VERDICTS:
            self.unlisted += 1
            return verdict
        self.verdicts.append(verdict)
        self._opened.append(verdict)
        self._undetected.append(verdict)
        return verdict

    def _detected(self, by: str) -> None:
        at = self._ledger.context
        for verdict in self._undetected:
            if verdict.verdict not in ("corrupt", "watermark"):
                verdict.detect(by, at.event, at.iteration)
        self._undetected = [v for v in self._undetected if v.detected_event is None][-64:]

    # -- endings ------------------------------------------------------------------------------------------

    def crash(self, error: EngineCrash) -> Verdict:
        """The scheduler raised during the open event."""
        self._view.changed()
        terms = self._terms = self._scheduler.view.terms()
        if self._ledger.fresh or self._misreads:
            self._judge(terms, [])
        at = self._ledger.context
        cause = Cause(str(error), at.event, at.iteration, at.time, at.op, at.request, at.session)
        memory = error.kind == "RuntimeError"
        verdict = self._open(
            "crash",
            "full",
            0,
            cause,
            f"the scheduler raised {error}",
            invariant="INV-8" if memory else "INV-3",
        )
        self._detected("crash")
        return verdict

    def stuck(self, message: str) -> Verdict:
        """Work waits and nothing can ever run."""
        at = self._ledger.context
        waiting = self._scheduler.waiting
        first = waiting[0] if waiting else None
        session = first.session.name if first is not None and first.session is not None else None
        rid = first.rid if first is not None else None
        cause = Cause(message, at.event, at.iteration, at.time, at.op, rid, session, [], len(waiting))
        return self._open("stuck", "full", len(waiting), cause, f"{message}; {_equation(self._terms)}")

    def finish(self) -> None:
        """The run is over: recount once more."""
        self._terms = self._scheduler.view.terms()
        self.recount()


def _equation(terms: Terms) -> str:
    return (
        f"available {terms.available} + evictable {terms.evictable} + protected {terms.protected} + session_held "
        f"{terms.session_held} + uncached {terms.uncached} = {terms.sum}, total {terms.total}, off by {terms.delta:+d}"
    )
