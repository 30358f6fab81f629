"""The judge: books, ledger and canary are compared, and what differs becomes a verdict.

    books off by d, ledger off by l = extra − lost

    d − l ≠ 0            the check itself is wrong           false-alarm
    l ≠ 0 and d = 0      no check of the release can see it  silent
    l ≠ 0 and d ≠ 0      as the posting that did it          leak, double-free, alias

It knows nothing of engines: whoever gathers says what the books claim, what was counted, which postings went wrong and
what was misread (`auditor.py` for the model, `observed.py` for an engine that only sends what it has seen).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sim.engines.protocol import EngineCrash, Terms
from sim.ledger.docket import Docket
from sim.ledger.findings import Breach, Miscount, Misread, PoolCount
from sim.ledger.owners import Context, Fault
from sim.ledger.verdicts import Cause, Verdict

_KINDS = {
    "orphan": ("leak", -1),
    "double-free": ("double-free", 1),
    "foreign-free": ("alias", 1),
    "alias": ("alias", 1),
}
_UNITS = {"full": "slots", "rows": "rows"}


class Evidence(Protocol):
    """What costs too much to be gathered unasked."""

    def counts(self) -> Mapping[str, PoolCount]:
        """Each pool, counted now."""

    def miscounts(self) -> Sequence[Miscount]:
        """Who is counted wrongly by the books."""


@dataclass(slots=True)
class Standing:
    """What is known of one pool: its last count, and by how much its books are expected to be off."""

    count: PoolCount
    residual: int = 0
    expected: int = 0


class Judge:
    """Judges one run, event by event."""

    def __init__(self, at: Context, evidence: Evidence, terms: Terms) -> None:
        self.docket = Docket(at)
        self.terms = terms
        self.full = Standing(PoolCount("full", 0, 0, (), ()))
        self._rows_error = 0
        self._evidence = evidence

    def judge(
        self,
        terms: Terms | None,
        *,
        faults: Sequence[Fault] = (),
        touched: bool = False,
        misreads: Iterable[Misread] = (),
        breaches: Iterable[Breach] = (),
    ) -> None:
        """Something in this event is not as it was: the books, a posting, a text, a cursor.

        Without terms the books are not looked at: an engine that has crashed may not be able to tell them.
        """
        if terms is not None:
            self.terms = terms
        full, before = self.full, self.full.count
        if touched:
            counts = self._evidence.counts()
            full.count, self._rows_error = counts["full"], counts["rows"].error
        for fault in faults:
            self._posted(fault)
        self._unposted(before, faults)
        if terms is not None:
            self._balance(terms)
        self.misread(misreads)
        for breach in breaches:
            self.breach(breach)
        if terms is not None and terms.session_held + terms.uncached > terms.total:
            self._limit_passed(terms)

    # -- who owns what ------------------------------------------------------------------------------------

    def recounted(self, counts: Mapping[str, PoolCount]) -> None:
        """A recount that shows more than the postings did is a finding of its own."""
        standing, full = self.full, counts["full"]
        if (full.lost, full.extra) != (standing.count.lost, standing.count.extra):
            lost, extra = full.lost - standing.count.lost, full.extra - standing.count.extra
            standing.count = full
            if lost > 0:
                self._lost("full", lost, full.lost_units)
            if extra > 0:
                self._shared("full", extra, full.shared_units)
            standing.residual = self.terms.delta - full.error
            standing.expected = self.terms.delta
        rows = counts["rows"]
        if rows.error != self._rows_error:
            change = rows.error - self._rows_error
            self._rows_error = rows.error
            if change < 0:
                self._lost("rows", -change, rows.lost_units)
            else:
                self._shared("rows", change, rows.shared_units)

    def _lost(self, pool: str, count: int, units: Sequence[int]) -> None:
        whose = "owned by nobody" if pool == "full" else ""
        what = f"{count} slots are {whose}" if whose else f"{count} rows belong to nobody"
        self._found("leak", pool, -count, what, units)

    def _shared(self, pool: str, count: int, units: Sequence[int]) -> None:
        self._found("alias", pool, count, f"{count} {_UNITS[pool]} are free and named, or named by two", units)

    def _found(self, kind: str, pool: str, size: int, what: str, units: Sequence[int]) -> None:
        cause = self.docket.here(f"{what} (found by the recount)", units, abs(size))
        self._ownership(kind, pool, size, cause, what)

    def _posted(self, fault: Fault) -> None:
        kind, sign = _KINDS[fault.kind]
        cause = Cause(
            fault.what, fault.event, fault.iteration, fault.time, fault.op, fault.request, fault.session,
            fault.units, fault.count,
        )  # fmt: skip
        message = f"{fault.what}; {equation(self.terms)}"
        self._ownership(kind, fault.pool, sign * fault.count, cause, message)

    def _unposted(self, before: PoolCount, faults: Sequence[Fault]) -> None:
        """Damage in this event beyond what its faulty postings account for."""
        count = self.full.count
        posted = sum(f.count for f in faults if f.kind == "orphan" and f.pool == "full")
        lost = count.lost - before.lost - posted
        if lost > 0:
            self._lost("full", lost, count.lost_units)

    def _ownership(self, kind: str, pool: str, size: int, cause: Cause, message: str) -> None:
        """Damage to who owns what; `silent` if the books balance over it."""
        count = self.full.count
        if pool == "full" and self.terms.delta == 0 and (count.lost or count.extra):
            kind, message = "silent", f"{kind}: {message}"
        self.docket.open(kind, pool, size, cause, message)

    # -- the books ----------------------------------------------------------------------------------------

    def _balance(self, terms: Terms) -> None:
        """What the books are off by, beyond what the ledger is: the check is wrong."""
        full = self.full
        full.expected = terms.delta
        known, residual = full.residual, terms.delta - full.count.error
        if residual not in (0, known) and not self.docket.full:
            # Before the check is blamed: is there damage that no posting showed?
            self.recounted(self._evidence.counts())
            residual = terms.delta - full.count.error
        full.residual = residual
        if residual not in (0, known):
            self._false_alarm(residual, terms)

    def _false_alarm(self, residual: int, terms: Terms) -> None:
        at = self.docket.at
        wrong = self._evidence.miscounts()
        what = "; ".join(m.text for m in wrong) or "no single owner is counted wrongly"
        first = wrong[0] if wrong else at
        cause = self.docket.cause(what, request=first.request, session=first.session, count=abs(residual))
        message = f"the books are off, the memory is not: {equation(terms)}"
        self.docket.open("false-alarm", "full", residual, cause, message)

    def _limit_passed(self, terms: Terms) -> None:
        if self.docket.new("INV-2"):
            over = terms.session_held + terms.uncached - terms.total
            what = f"session_held {terms.session_held} + uncached {terms.uncached} > total {terms.total}"
            self.docket.open(
                "false-alarm", "full", over, self.docket.here(what, count=over), what, invariant="INV-2"
            )

    # -- texts and cursors --------------------------------------------------------------------------------

    def misread(self, misreads: Iterable[Misread]) -> None:
        """Texts that are not what they should be."""
        docket = self.docket
        for m in misreads:
            if docket.new(f"{m.invariant} {m.session or m.rid} {m.slots or docket.at.event}"):
                cause = docket.cause(m.what, request=m.rid, session=m.session, units=m.slots, count=abs(m.size))
                docket.open("corrupt", "full", m.size, cause, m.what, invariant=m.invariant)

    def breach(self, breach: Breach) -> None:
        """A cursor out of order, a row with two live requests, a lock that nobody holds."""
        if not self.docket.new(breach.key):
            return
        kind, pool = ("alias", "rows") if breach.invariant == "INV-5" else ("watermark", "full")
        cause = self.docket.cause(
            breach.text, request=breach.request, session=breach.session, count=abs(breach.size)
        )
        self.docket.open(kind, pool, breach.size, cause, breach.text, invariant=breach.invariant)

    # -- endings ------------------------------------------------------------------------------------------

    def crash(self, error: EngineCrash) -> Verdict:
        """The scheduler raised during the open event."""
        cause = self.docket.here(str(error))
        invariant = "INV-8" if error.kind == "RuntimeError" else "INV-3"
        message = f"the scheduler raised {error}"
        verdict = self.docket.open("crash", "full", 0, cause, message, invariant=invariant)
        self.docket.detected("crash")
        return verdict

    def stuck(self, message: str, request: str | None, session: str | None, waiting: int) -> Verdict:
        """Work waits and nothing can ever run."""
        cause = self.docket.cause(message, request=request, session=session, count=waiting)
        return self.docket.open("stuck", "full", waiting, cause, f"{message}; {equation(self.terms)}")


def equation(terms: Terms) -> str:
    """The books in words."""
    return (
        f"available {terms.available} + evictable {terms.evictable} + protected {terms.protected} + session_held "
        f"{terms.session_held} + uncached {terms.uncached} = {terms.sum}, total {terms.total}, off by {terms.delta:+d}"
    )
