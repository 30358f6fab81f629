"""One numbered event per operation: do it, have it audited, write it down.

The clock and the replay both drive an engine through this, so that they see the same events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, Protocol

from sim.blame import RAISED
from sim.conditions import Moment
from sim.engines.protocol import Engine, EngineCrash, StepReport, Terms
from sim.operations import Operation, Submit

if TYPE_CHECKING:
    from sim.ledger.verdicts import Verdict
    from sim.record import Recorder


Blame = Callable[[BaseException], "EngineCrash | None"]
"""What makes a crash of what a user's policy has broken."""


class Over(Exception):
    """The run cannot go on: the engine crashed."""


class Auditing(Protocol):
    """What a driver asks of an auditor."""

    verdicts: list[Verdict]
    checks: int

    @property
    def unlisted(self) -> int:
        """Verdicts that were too many to be kept."""

    def begin(
        self, event: int, time: float, kind: str, *, request: str | None = None, session: str | None = None
    ) -> None:
        """An event opens."""

    def end(self) -> tuple[Verdict, ...]:
        """It closes: the verdicts it opened."""

    def crash(self, error: EngineCrash, *, look: bool = True) -> Verdict:
        """The engine raised during the open event; `look`: judge first what that left behind."""

    def stuck(self, message: str) -> Verdict:
        """Something waits and nothing can ever run."""

    def finish(self) -> None:
        """The last recount."""

    def books(self) -> dict[str, Terms]:
        """The terms at the last event."""

    def loss(self, pool: str = "full") -> tuple[int, int]:
        """Tokens of a pool owned by nobody, and tokens owned twice."""


class Driver:
    """An engine, its auditor and its recorder, driven one event at a time."""

    def __init__(
        self,
        engine: Engine,
        auditor: Auditing | None = None,
        recorder: Recorder | None = None,
        watch: Callable[[Moment], None] | None = None,
        blame: Blame | None = None,
    ) -> None:
        self.engine = engine
        self.auditor = auditor
        self.event = 0
        self.iteration = 0
        self.now = 0.0
        self.crashed: EngineCrash | None = None
        self.watch = watch
        self._recorder = recorder
        self._blame = blame

    def advance(self, now: float) -> tuple[str, ...]:
        """Set the engine's clock; a reaper pass that closed something is an event."""
        # Whole nanoseconds: what is written down is then exactly what the engine saw.
        now = self.now = round(now, 9)
        try:
            closed = self.engine.advance(now)
        except RAISED as error:
            if self._recorder is not None:
                self._recorder.looked(now)
            self._reaped()
            self._crash(error, "reap")
        if closed:
            self._reaped()
            try:
                first = self._audit()
            except RAISED as error:
                self._crash(error, "reap")
            if self._recorder is not None:
                self._recorder.reaped(self, closed, first)
            self._look()
        return closed

    def reap(self, now: float) -> tuple[str, ...]:
        """Set the engine's clock and nothing else; written down even if the reaper found nothing."""
        closed = self.advance(now)
        if not closed and self._recorder is not None:
            self._recorder.looked(self.now)
        return closed

    def _reaped(self) -> None:
        """The pass is an event of its own; the engine has numbered its postings already."""
        self.event += 1
        if self.auditor is not None:
            self.auditor.begin(self.event, self.now, "reap")

    def do(self, operation: Operation) -> None:
        """One operation from outside."""
        if self._recorder is not None:
            self._recorder.asked(operation, self.now)
        self.event += 1
        kind = operation.kind
        if self.auditor is not None:
            self.auditor.begin(
                self.event, self.now, kind, request=operation.request, session=operation.session
            )
        try:
            operation.apply(self.engine)
            first = self._audit()
        except RAISED as error:
            self._crash(error, kind, operation)
        if self._recorder is not None:
            self._recorder.did(self, kind, operation.request, operation.session, first)
        self._look(submitted=operation.request if isinstance(operation, Submit) else None)

    def step(self) -> StepReport:
        """One iteration of the event loop."""
        recorder = self._recorder
        self.event += 1
        try:
            if self.auditor is not None:
                self.auditor.begin(self.event, self.now, "step")
            report = self.engine.step()
            self.iteration = report.iteration
            first = self._audit()
        except RAISED as error:
            if recorder is not None:
                recorder.failed(self.now)
            self._crash(error, "step")
        if recorder is not None:
            recorder.stepped(self, report, first)
        if self.watch is not None:
            self._look(ended=report.finished + report.aborted)
        return report

    def finish(self) -> None:
        """The last recount."""
        if self.auditor is None:
            return
        try:
            self.auditor.finish()
        except RAISED as error:
            self._broken(error)

    def _audit(self) -> int:
        """Close the event; the index of the first verdict that it opened."""
        if self.auditor is None:
            return 0
        opened = len(self.auditor.end())
        return len(self.auditor.verdicts) - opened

    def _look(self, submitted: str | None = None, ended: tuple[str, ...] = ()) -> None:
        if self.watch is not None:
            self.watch(Moment(time=self.now, iteration=self.iteration, submitted=submitted, ended=ended))

    def _crash(self, error: BaseException, kind: str, operation: Operation | None = None) -> NoReturn:
        """Write the event down in which the engine raised, and end the run."""
        first = 0 if self.auditor is None else len(self.auditor.verdicts)
        crash = self._broken(error)
        if self._recorder is not None:
            request, session = (operation.request, operation.session) if operation else (None, None)
            self._recorder.did(self, kind, request, session, first, check=str(crash))
        raise Over from error

    def _broken(self, error: BaseException) -> EngineCrash:
        """The crash that this is, judged; what is none, and nobody's to blame for, is raised again."""
        crash: EngineCrash | None = None
        if isinstance(error, EngineCrash):
            crash = error
        elif self._blame is not None:
            crash = self._blame(error)
        if crash is None:
            raise error
        self.crashed = crash
        if self.auditor is not None:
            # Where a policy has broken the model itself, looking at it would only raise once more.
            self.auditor.crash(crash, look=crash is error)
        return crash
