"""What a state machine drives: the scheduler, what there is in it, one operation after another, each judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.stateful import RuleBasedStateMachine, initialize
from hypothesis.strategies import SearchStrategy

from sim.cases.watch import Watch
from sim.clock import PATIENCE
from sim.config import RunConfig
from sim.driver import Over
from sim.engines.marks import STEP, Timed
from sim.engines.protocol import Request, Snapshot
from sim.engines.select import Engines
from sim.fuzz.accept import Accepted
from sim.fuzz.faults import Fault, Shown, Telling
from sim.fuzz.handover import hand_over
from sim.fuzz.occurred import Reports, absent, watching
from sim.fuzz.strategies import SESSIONS
from sim.fuzz.subject import Subject
from sim.ledger.auditor import OurFault
from sim.ledger.verdicts import Verdict
from sim.operations import Operation, Submit
from sim.play import Playing
from sim.scenario.writer import scenario_text
from sim.setup import Identity, Stage

_MOST_LIVE = 6
_BARREN = 3
"""Iterations without progress after which the next ones would be like them."""


class AccountingFault(AssertionError):
    """The books broke: the fault, its verdict, and the folder in which the smallest case lies."""

    fault: Fault
    verdict: Verdict
    folder: Path | None = None


@cache
def _kind(fault: Fault) -> type[AccountingFault]:
    """A type for each fault: Hypothesis tells failures apart by type and place, and shrinks each by itself."""
    return type(AccountingFault.__name__, (AccountingFault,), {"fault": fault, "__module__": __name__})


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a machine drives, and what it leaves alone."""

    identity: Identity
    subject: Subject
    engines: Engines
    accepted: Accepted
    configs: SearchStrategy[RunConfig]
    out: Path
    attempts: int

    def named(self) -> Subject:
        """The subject with its policy as a command line names it."""
        from policies.user import spelled

        policy = self.identity.policy
        return self.subject if policy is None else replace(self.subject, policy=spelled(policy))


class Driven(RuleBasedStateMachine):
    """A scheduler that is done something to, and judged after it; `operations` and `events`: of all examples so far."""

    aim: ClassVar[Aim]
    operations: ClassVar[Counter[str]]
    events: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.actions: list[Timed] = []
        self.config: RunConfig
        self._stage: Stage
        self._playing: Playing
        self._watch: Watch | Reports = Reports()
        self._now = 0.0
        self._judged = 0
        self._barren = 0
        self._over = True
        self._there: Snapshot | None = None
        self._sent: dict[str, Request] = {}
        self._turns = dict.fromkeys(SESSIONS, 0)

    # -- what is there ------------------------------------------------------------------------------------

    @property
    def there(self) -> Snapshot:
        """The scheduler as it stands."""
        if self._there is None:
            self._there = self._stage.engine.snapshot()
        return self._there

    @property
    def live(self) -> list[str]:
        """Requests that wait or run."""
        there = self.there
        chunked = () if there.chunked is None else (there.chunked,)
        return list(dict.fromkeys([*there.running, *chunked, *(there.last_batch or ()), *there.waiting]))

    @property
    def waiting(self) -> tuple[str, ...]:
        """Requests in the queue."""
        return self.there.waiting

    @property
    def running(self) -> tuple[str, ...]:
        """Requests in the running batch."""
        return self.there.running

    @property
    def opened(self) -> list[str]:
        """Sessions that are open."""
        return [state.session for state in self.there.sessions]

    @property
    def closed(self) -> list[str]:
        """Names of sessions that are not."""
        return [name for name in SESSIONS if name not in self.opened]

    @property
    def resting(self) -> list[str]:
        """Open sessions without a live turn."""
        live = self.live
        return [name for name in self.opened if not any(rid.startswith(f"{name}/") for rid in live)]

    @property
    def addressed(self) -> list[str]:
        """Open sessions, whatever they do, and one that is not."""
        return [*self.opened, *self.closed[:1]]

    @property
    def gone(self) -> list[Request]:
        """Ordinary requests that are over."""
        live = self.live
        return [request for rid, request in self._sent.items() if request.session is None and rid not in live]

    @property
    def going(self) -> bool:
        """Whether the scheduler has not crashed."""
        return not self._over

    @property
    def roomy(self) -> bool:
        """Whether few enough requests are live for one more to matter."""
        return not self._over and len(self.live) < _MOST_LIVE

    def next_rid(self, session: str | None = None) -> str:
        """The name of the next request, or turn."""
        if session is not None:
            return f"{session}/{self._turns[session] + 1}"
        return f"r{1 + sum(1 for request in self._sent.values() if request.session is None)}"

    @initialize(config=st.runner().flatmap(lambda machine: machine.aim.configs))
    def begin(self, config: RunConfig) -> None:
        """An engine with its auditor."""
        self.config = config
        self._stage = Stage(self.aim.identity, config, None, engines=self.aim.engines, blames=True)
        self._playing = Playing(self._stage.driver)
        self._watch = watching(self._stage.engine)
        self._over = False

    def teardown(self) -> None:
        """What waits is given the time to show that it waits in vain; then the last recount."""
        if not self._over:
            for _ in range(PATIENCE):
                if self._over or not self._playing.waits:
                    break
                self._do(STEP)
        ended = not self._over
        if ended:
            self._over = True
            ending = self._playing.ending(self.config)
            self._watch.events["stuck"] += ending == "stuck"
            self._stage.end(ending)
        self._note()
        if ended:
            self._judge()

    def _note(self) -> None:
        """What occurred in this example."""
        for counts, those in ((self.operations, self._watch.operations), (self.events, self._watch.events)):
            counts.update(those)
            for kind, count in those.items():
                if count:
                    event(kind)

    @classmethod
    def missing(cls, *, told: bool = False) -> list[str]:
        """The kinds of operations and events that have occurred in no example so far.

        `told`: only of those that answers tell, as always of a real release; others may take many thousand examples.
        """
        return absent(cls.operations, cls.events, told=told or cls.aim.subject.choice.real)

    # -- one after another --------------------------------------------------------------------------------

    def _submit(self, request: Request, then: int) -> None:
        if request.session is not None:
            self._turns[request.session] += 1
        self._sent[request.rid] = request
        self._do(Submit(what=request), then)

    def _steps(self, count: int, until_over: str | None = None) -> None:
        """Iterations; no more of them where they change nothing, or where this request is over."""
        self._barren = 0
        for _ in range(count):
            if self._over or self._barren == _BARREN:
                break
            if until_over is not None and until_over not in self.live:
                break
            self._do(STEP)

    def _do(self, what: Operation | str, then: int = 0) -> None:
        """One action, judged; then some iterations."""
        self._there = None
        self.actions.append((self._now, what))
        self._watch.before(self._now, what)
        try:
            closed, report = self._playing.do(self._now, what)
            self._watch.after((closed, report))
            if report is not None:
                self._barren = 0 if report.progressed else self._barren + 1
        except Over as error:
            self._watch.died(self._stage.driver.crashed or error)
            self._over = True
        except OurFault as error:
            self._over = True
            if current_build_context().is_final:
                error.add_note(self._report_of_ours())
            raise
        self._judge()
        self._steps(then)

    def _judge(self) -> None:
        """AccountingFault for the first new verdict that is not known."""
        fresh = self._stage.verdicts[self._judged :]
        if not fresh:
            return
        self._judged += len(fresh)
        crash = self._stage.driver.crashed
        for shown in Telling(self.actions).faults(fresh, () if crash is None else crash.frames):
            known = self.aim.accepted.entry(shown.fault)
            self._over = self._over or known is None or known.ends
            if known is None:
                raise self._failure(shown)
            if known.ends:
                return

    def _failure(self, shown: Shown) -> AccountingFault:
        error = _kind(shown.fault)(shown.verdict.text())
        error.verdict = shown.verdict
        # Only the last time, when it is as small as it gets here, is it worth writing down.
        if current_build_context().is_final:
            handed = hand_over(
                self.aim.named(), self.config, self.actions, shown.fault, self.aim.out, self.aim.attempts
            )
            error.folder = handed.left.folder
            error.args = (f"{shown.verdict.text()}\n\n{handed}",)
        return error

    def _report_of_ours(self) -> str:
        identity = replace(self.aim.identity, policy=None)
        text = scenario_text(
            name="ours", about="a fault of kvledger itself", identity=identity, config=self.config, actions=self.actions
        )
        return f"a fault of kvledger itself; please report it with this scenario\n\n{text}"
