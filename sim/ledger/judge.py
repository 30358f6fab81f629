"""The judge: books, ledger and canary are compared, and what differs becomes a verdict.

    books off by d, ledger off by l = extra − lost

    d − l ≠ 0            the check itself is wrong           false-alarm
    l ≠ 0 and d = 0      no check of the release can see it  silent
    l ≠ 0 and d ≠ 0      as the posting that did it          leak, double-free, alias

Each pool is judged by itself. It knows nothing of engines: whoever gathers says what the books claim, what was counted,
which postings went wrong and what was misread (`auditor.py` for the model, `observed.py` for an engine that only sends
what it has seen).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sim.engines.protocol import EngineCrash, Terms
from sim.ledger.docket import Docket
from sim.ledger.findings import Breach, Miscount, Misread, PoolCount
from sim.ledger.owners import Context, Fault
from sim.ledger.shortage import short_of
from sim.ledger.verdicts import Cause, Verdict
from sim.ledger.words import equation, equations, of_pool, several

_KINDS = {
    "orphan": ("leak", -1),
    "double-free": ("double-free", 1),
    "foreign-free": ("alias", 1),
    "alias": ("alias", 1),
}


_PAGED = ("full", "swa")
_MOST_SLOTS = 64


class Evidence(Protocol):
    """What costs too much to be gathered unasked."""

    def counts(self) -> Mapping[str, PoolCount]:
        """Each pool, counted now."""

    def miscounts(self, pool: str) -> Sequence[Miscount]:
        """Who is counted wrongly by the books of a pool."""


@dataclass(slots=True)
class Standing:
    """What is known of one pool: its last count, and by how much its books are expected to be off.

    The rows have no books: their residual stays 0.
    """

    count: PoolCount
    residual: int = 0
    expected: int = 0


class Judge:
    """Judges one run, event by event."""

    def __init__(self, at: Context, evidence: Evidence, books: Mapping[str, Terms], page: int) -> None:
        self.docket = Docket(at)
        self._page = page
        self.books = books
        self.standing = {pool: Standing(PoolCount(pool, 0, 0, (), ())) for pool in (*books, "rows")}
        self.full = self.standing["full"]
        self._evidence = evidence

    @property
    def terms(self) -> Terms:
        """The books of the full pool."""
        return self.books["full"]

    def off(self) -> bool:
        """Whether the books of a pool are off by another amount than expected, or claim more than there is."""
        return any(
            terms.delta != self.standing[pool].expected or terms.session_held + terms.uncached > terms.total
            for pool, terms in self.books.items()
        )

    def judge(
        self,
        books: Mapping[str, Terms] | None,
        *,
        faults: Sequence[Fault] = (),
        touched: bool = False,
        misreads: Iterable[Misread] = (),
        breaches: Iterable[Breach] = (),
    ) -> None:
        """Something in this event is not as it was: the books, a posting, a text, a cursor.

        Without books they are not looked at: an engine that has crashed may not be able to tell them.
        """
        if books is not None:
            self.books = books
        before = {pool: standing.count for pool, standing in self.standing.items()}
        if touched:
            counts = self._evidence.counts()
            for pool, standing in self.standing.items():
                standing.count = counts[pool]
        for fault in faults:
            self._posted(fault)
        for pool in self.books:
            self._unposted(before[pool], faults)
        if books is not None:
            for pool in books:
                self._balance(pool)
        self.misread(misreads)
        for breach in breaches:
            self.breach(breach)
        if books is not None:
            for pool, terms in books.items():
                if terms.session_held + terms.uncached > terms.total:
                    self._limit_passed(pool, terms)

    # -- who owns what ------------------------------------------------------------------------------------

    def recounted(self, counts: Mapping[str, PoolCount]) -> None:
        """A recount that shows more than the postings did is a finding of its own."""
        for pool in self.books:
            standing, count = self.standing[pool], counts[pool]
            if (count.lost, count.extra) != (standing.count.lost, standing.count.extra):
                lost, extra = count.lost - standing.count.lost, count.extra - standing.count.extra
                standing.count = count
                if lost > 0:
                    self._lost(pool, lost, count.lost_units)
                if extra > 0:
                    self._shared(pool, extra, count.shared_units)
                standing.residual = self.books[pool].delta - count.error
                standing.expected = self.books[pool].delta
        rows, known = counts["rows"], self.standing["rows"]
        change, known.count = rows.error - known.count.error, rows
        if change < 0:
            self._lost("rows", -change, rows.lost_units)
        elif change > 0:
            self._shared("rows", change, rows.shared_units)

    def _lost(self, pool: str, count: int, units: Sequence[int]) -> None:
        self._found("leak", pool, -count, f"{several(count, pool, 'belong')} to nobody", units)

    def _shared(self, pool: str, count: int, units: Sequence[int]) -> None:
        self._found("alias", pool, count, f"{several(count, pool, 'are')} free and named, or named by two", units)

    def _found(self, kind: str, pool: str, size: int, what: str, units: Sequence[int]) -> None:
        cause = self.docket.here(f"{what} (found by the recount)", self._slots(pool, units), abs(size))
        self._ownership(kind, pool, size, cause, what)

    def _posted(self, fault: Fault) -> None:
        kind, sign = _KINDS[fault.kind]
        cause = Cause(
            fault.what, fault.event, fault.iteration, fault.time, fault.op, fault.request, fault.session,
            self._slots(fault.pool, fault.units), fault.count,
        )  # fmt: skip
        message = f"{fault.what}; {equation(self.books.get(fault.pool, self.terms))}"
        self._ownership(kind, fault.pool, sign * fault.count, cause, message)

    def _slots(self, pool: str, units: Sequence[int]) -> list[int]:
        """What is owned as one, slot by slot."""
        page = self._page if pool in _PAGED else 1
        return [unit * page + offset for unit in units for offset in range(page)][:_MOST_SLOTS]

    def _unposted(self, before: PoolCount, faults: Sequence[Fault]) -> None:
        """Damage in this event beyond what its faulty postings account for."""
        pool, standing = before.pool, self.standing[before.pool]
        count = standing.count
        posted = sum(f.count for f in faults if f.kind == "orphan" and f.pool == pool)
        lost, shared = count.lost - before.lost - posted, count.extra - before.extra
        if lost > 0:
            self._lost(pool, lost, count.lost_units)
        if shared > 0 and faults and all(f.pool != pool for f in faults):
            # What was posted of another pool has harmed this one too, and its books are as far off as they are.
            self._shared(pool, shared, count.shared_units)
            standing.residual = self.books[pool].delta - count.error

    def _ownership(self, kind: str, pool: str, size: int, cause: Cause, message: str) -> None:
        """Damage to who owns what; `silent` if the books balance over it."""
        count, terms = self.standing[pool].count, self.books.get(pool)
        if terms is not None and terms.delta == 0 and (count.lost or count.extra):
            kind, message = "silent", f"{kind}: {message}"
            # That the books know nothing of it is part of this finding, and no false alarm beside it.
            self.standing[pool].residual = terms.delta - count.error
        self.docket.open(kind, pool, size, cause, message)

    # -- the books ----------------------------------------------------------------------------------------

    def _balance(self, pool: str) -> None:
        """What the books are off by, beyond what the ledger is: the check is wrong."""
        standing, delta = self.standing[pool], self.books[pool].delta
        standing.expected = delta
        known, residual = standing.residual, delta - standing.count.error
        if residual not in (0, known) and not self.docket.full:
            # Before the check is blamed: is there damage that no posting showed?
            self.recounted(self._evidence.counts())
            residual = delta - standing.count.error
        standing.residual = residual
        if residual not in (0, known) and delta == 0:
            self._worse(pool, known - residual)
        elif residual not in (0, known):
            self._false_alarm(pool, residual)

    def _worse(self, pool: str, shared: int) -> None:
        """The books balance, as they should not: more is free and named, or lost, than was; less is no news."""
        count = self.standing[pool].count
        if shared > 0:
            self._shared(pool, shared, count.shared_units)
        elif shared < 0 and count.lost:
            self._lost(pool, -shared, count.lost_units)

    def _false_alarm(self, pool: str, residual: int) -> None:
        at = self.docket.at
        wrong = self._evidence.miscounts(pool)
        what = "; ".join(m.text for m in wrong) or "no single owner is counted wrongly"
        first = next((m for m in wrong if m.request or m.session), at)
        cause = self.docket.cause(what, request=first.request, session=first.session, count=abs(residual))
        message = f"the books are off, the memory is not: {equation(self.books[pool])}"
        self.docket.open("false-alarm", pool, residual, cause, message)

    def _limit_passed(self, pool: str, terms: Terms) -> None:
        if self.docket.new(f"INV-2{of_pool(pool)}"):
            over = terms.session_held + terms.uncached - terms.total
            what = f"session_held {terms.session_held} + uncached {terms.uncached} > total {terms.total}"
            self.docket.open("false-alarm", pool, over, self.docket.here(what, count=over), what, invariant="INV-2")

    def alarm(self, by: str, message: str) -> None:
        """A check of the release has failed: it has seen what the books that it looks at show.

        Where no books are off and nothing is lost or shared, it adds up something else than they: a false alarm too.
        """
        if len(self.books) == 1:
            self.docket.detected(by)
            return
        seen = set(self._seen_by(by, message))
        self.docket.detected(by, seen)
        sound = not any(s.expected or s.count.error for s in self.standing.values())
        if sound and not message.startswith("req_to_token_pool"):
            pool, size, what = self._own_sum(by)
            if self.docket.new(f"{by}: {what}"):
                self.docket.open("false-alarm", pool, size, self.docket.here(what, count=abs(size)), message)
                self.docket.detected(by, {pool})

    def _own_sum(self, by: str) -> tuple[str, int, str]:
        """What a check that fails over balanced books counts in its own way: the pool, by how much, in words."""
        full, swa, mamba = (self.books.get(pool) for pool in ("full", "swa", "mamba"))
        assert full is not None
        if by == "idle check" and mamba is not None and mamba.session_held:
            held = mamba.session_held
            return "mamba", -held, f"the {by} of this release leaves out {several(held, 'mamba')} held by sessions"
        short = 0 if swa is None else min(0, swa.available - full.available)
        return "full", short, f"the {by} of this release adds up something else than the terms of one pool"

    def _seen_by(self, by: str, message: str) -> Iterator[str]:
        """The pools that a failed check was about; the states are never looked at while anything runs."""
        if by == "busy check":
            yield "swa" if message.startswith("SWA") else "full"
        elif message.startswith("req_to_token_pool"):
            yield "rows"
        else:
            yield "rows"
            yield from (pool for pool, terms in self.books.items() if terms.delta)

    # -- texts and cursors --------------------------------------------------------------------------------

    def misread(self, misreads: Iterable[Misread]) -> None:
        """Texts that are not what they should be."""
        docket = self.docket
        for m in misreads:
            where = m.slots or docket.at.event
            if docket.new(f"{m.invariant} {m.session or m.rid} {where}{of_pool(m.pool)}"):
                cause = docket.cause(m.what, request=m.rid, session=m.session, units=m.slots, count=abs(m.size))
                docket.open("corrupt", m.pool, m.size, cause, m.what, invariant=m.invariant)

    def breach(self, breach: Breach) -> None:
        """A cursor out of order, a row with two live requests, a lock that nobody holds."""
        if not self.docket.new(breach.key):
            return
        kind, pool = ("alias", "rows") if breach.invariant == "INV-5" else ("watermark", breach.pool)
        cause = self.docket.cause(
            breach.text, request=breach.request, session=breach.session, count=abs(breach.size)
        )
        self.docket.open(kind, pool, breach.size, cause, breach.text, invariant=breach.invariant)

    # -- endings ------------------------------------------------------------------------------------------

    def crash(self, error: EngineCrash) -> Verdict:
        """The scheduler raised during the open event."""
        cause = self.docket.here(str(error))
        short = short_of(error.message)
        invariant = "INV-8" if short is not None or error.kind == "RuntimeError" else "INV-3"
        message = f"the scheduler raised {error}"
        verdict = self.docket.open("crash", short or "full", 0, cause, message, invariant=invariant)
        self.docket.detected("crash")
        return verdict

    def stuck(
        self, message: str, request: str | None, session: str | None, waiting: int, short: str | None = None
    ) -> Verdict:
        """Work waits and nothing can ever run; `short` is the pool in which admission last found no room."""
        if short is not None:
            message = f"{message}: admission finds no room in the {short} pool"
        cause = self.docket.cause(message, request=request, session=session, count=waiting)
        return self.docket.open("stuck", short or "full", waiting, cause, f"{message}; {equations(self.books)}")
