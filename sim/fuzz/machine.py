"""The lane for pull requests: a Hypothesis state machine that drives a scheduler until its books break.

from sim.fuzz import accounting_machine

TestMine = accounting_machine(release="sglang-0.5.11", policy=MyPolicy).TestCase
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from hypothesis import HealthCheck, Phase, event
from hypothesis import settings as Settings
from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.strategies import SearchStrategy

from sim.clock import PATIENCE
from sim.config import RunConfig
from sim.driver import Over
from sim.engines.marks import REAP, STEP, Timed
from sim.engines.protocol import Request, RetractHow, Snapshot
from sim.engines.select import MODEL, Choice, Engines
from sim.fuzz.accept import Accepted, load_accepted
from sim.fuzz.faults import Fault, Shown, Telling
from sim.fuzz.handover import hand_over
from sim.fuzz.occurred import Reports
from sim.fuzz.strategies import HOWS, SECONDS, SESSIONS, TIMEOUTS, configs, requests
from sim.fuzz.subject import DEFAULT_RELEASE, Subject
from sim.ledger.verdicts import Verdict
from sim.operations import Abort, Close, Expire, Open, Operation, Refuse, Retract, Submit
from sim.play import Playing
from sim.setup import Identity, Stage, choose_release
from sim.world import Segment

OUT = Path("out/fuzz")
_MOST_LIVE = 6
_PATIENT = 40
"""Iterations in which a turn should have come to its end."""
_BARREN = 3
"""Iterations without progress after which the next ones would be like them."""

# What is set here must not depend on where it runs: on a CI server Hypothesis would forget what it has found.
# Explaining traces every line that runs; making it small is left to ours where it has to be quick.
_EXPLAINED = [phase for phase in Phase if phase is not Phase.explain]
_COMMON = Settings(
    deadline=None, derandomize=False, database=DirectoryBasedExampleDatabase(".hypothesis/examples"), print_blob=True,
    suppress_health_check=list(HealthCheck), phases=_EXPLAINED,
)  # fmt: skip
Settings.register_profile(
    "kvledger-quick", _COMMON, max_examples=100, stateful_step_count=40, report_multiple_bugs=False,
    phases=[phase for phase in _EXPLAINED if phase is not Phase.shrink],
)  # fmt: skip
Settings.register_profile("kvledger-ci", _COMMON, max_examples=1000, stateful_step_count=50)
Settings.register_profile("kvledger-soak", _COMMON, max_examples=30_000, stateful_step_count=80)
Profile = Literal["quick", "ci", "soak"]


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

    def named(self) -> Subject:
        """The subject with its policy as a command line names it."""
        from policies.user import spelled

        policy = self.identity.policy
        return self.subject if policy is None else replace(self.subject, policy=spelled(policy))


def accounting_machine(
    release: str = DEFAULT_RELEASE,
    revert: Iterable[int] = (),
    add: Iterable[int] = (),
    policy: str | type | None = None,
    engine: str = MODEL,
    accept: str | Path | Iterable[str | Path] = (),
    config: RunConfig | SearchStrategy[RunConfig] | None = None,
    settings: Settings | Profile = "quick",
    out: str | Path = OUT,
    sglang_src: str | Path | None = None,
) -> type[AccountingMachine]:
    """A state machine that drives this scheduler and fails at the first verdict that is not accepted.

    `policy` is `FILE.py:CLASS` or the class; `accept` names files of known faults; `config` is what all examples run
    with, or a strategy (`sim.fuzz.strategies.configs`); what is found is written into a folder of `out`.
    """
    choice = Choice(spec=engine, path=None if sglang_src is None else Path(sglang_src))
    subject = Subject(release=release, revert=tuple(revert), add=tuple(add), choice=choice)
    identity = replace(subject.identity("fuzz"), policy=policy)
    if not choice.real:
        choose_release(identity)
    known = [accept] if isinstance(accept, str | Path) else accept
    aim = Aim(
        identity=identity, subject=subject, engines=Engines(choice), accepted=load_accepted(map(Path, known)),
        configs=configs() if config is None else st.just(config) if isinstance(config, RunConfig) else config,
        out=Path(out),
    )  # fmt: skip
    # The name is what Hypothesis keeps examples under: each subject has its own.
    under = "" if policy is None else f"_under_{policy if isinstance(policy, str) else policy.__qualname__}"
    name = re.sub(r"\W+", "_", f"AccountingMachine_{subject.title}{under}")
    machine: Any = type(name, (AccountingMachine,), {"aim": aim, "__module__": __name__})
    case = machine.TestCase
    case.settings = settings if isinstance(settings, Settings) else Settings.get_profile(f"kvledger-{settings}")
    case.tearDownClass = classmethod(lambda _: aim.engines.close())
    made: type[AccountingMachine] = machine
    return made


_THEN = st.integers(0, 4)
"""Iterations after an operation."""


def _of_machine(made: Callable[[AccountingMachine], SearchStrategy[Any]]) -> SearchStrategy[Any]:
    """A strategy that depends on what is there."""
    return st.runner().flatmap(made)


def _one_of(name: str) -> SearchStrategy[Any]:
    """One of those that the machine has by this name."""
    return _of_machine(lambda machine: st.sampled_from(getattr(machine, name)))


def _turn(session: str) -> SearchStrategy[Request]:
    return _of_machine(lambda machine: requests(machine.next_rid(session), machine.config, session=session))


class AccountingMachine(RuleBasedStateMachine):
    """A scheduler, driven one operation at a time; `accounting_machine` says which."""

    aim: ClassVar[Aim]

    def __init__(self) -> None:
        super().__init__()
        self.actions: list[Timed] = []
        self.config: RunConfig
        self._stage: Stage
        self._playing: Playing
        self._reports = Reports()
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

    # -- what is done -------------------------------------------------------------------------------------

    @initialize(config=st.runner().flatmap(lambda machine: machine.aim.configs))
    def begin(self, config: RunConfig) -> None:
        """An engine with its auditor."""
        self.config = config
        self._stage = Stage(self.aim.identity, config, None, engines=self.aim.engines)
        self._playing = Playing(self._stage.driver)
        self._over = False

    @precondition(lambda machine: machine.going and machine.live)
    @rule(count=st.integers(1, 10))
    def step(self, count: int) -> None:
        """Iterations."""
        self._steps(count)

    @precondition(lambda machine: machine.going and machine.closed)
    @rule(session=_one_of("closed"), timeout=st.sampled_from(TIMEOUTS))
    def open(self, session: str, timeout: float | None) -> None:
        """Open a session."""
        self._do(Open(session=session, timeout=timeout))

    @precondition(lambda machine: machine.roomy)
    @rule(request=_of_machine(lambda machine: requests(machine.next_rid(), machine.config)), then=_THEN)
    def submit(self, request: Request, then: int) -> None:
        """An ordinary request."""
        self._submit(request, then)

    @precondition(lambda machine: machine.roomy and machine.gone)
    @rule(request=_one_of("gone"), then=_THEN)
    def again(self, request: Request, then: int) -> None:
        """One that is over, word for word."""
        self._submit(request, then)

    @precondition(lambda machine: machine.roomy and machine.resting)
    @rule(request=_one_of("resting").flatmap(_turn), refused=st.sampled_from((0, 0, 0, 1, 2)), then=st.integers(0, 8))
    def turn(self, request: Request, refused: int, then: int) -> None:
        """The next turn of a session."""
        if refused and self.running:
            self._do(Refuse(request=request.rid, times=refused))
        self._submit(request, then)

    @precondition(lambda machine: machine.roomy and machine.resting)
    @rule(request=_one_of("resting").flatmap(_turn))
    def talk(self, request: Request) -> None:
        """The next turn of a session, from beginning to end."""
        self._submit(request, 0)
        self._steps(_PATIENT, until_over=request.rid)

    @precondition(lambda machine: machine.roomy and machine.opened)
    @rule(request=_one_of("addressed").flatmap(_turn), then=_THEN)
    def second(self, request: Request, then: int) -> None:
        """A turn of a session that may have a live one, or be closed."""
        self._submit(request, then)

    @precondition(lambda machine: machine.roomy)
    @rule(
        session=_of_machine(lambda machine: st.sampled_from((*machine.opened, None))),
        more=st.sampled_from((0, 3, 0, 3, -1)),
        then=_THEN,
    )
    def overlong(self, session: str | None, more: int, then: int) -> None:
        """A prompt about as long as the limit."""
        rid = self.next_rid(session)
        prompt = (Segment(name=rid, length=max(1, self.config.max_req_input_len + more)),)
        self._submit(Request(rid=rid, prompt=prompt, max_new=4, session=session), then)

    @precondition(lambda machine: machine.going and machine.live)
    @rule(request=_one_of("live"), then=_THEN)
    def abort(self, request: str, then: int) -> None:
        """Abort a request, in the queue or running; and all whose names begin like it."""
        self._do(Abort(request=request), then)

    @precondition(lambda machine: machine.going and machine.live)
    @rule(request=_one_of("live"), then=_THEN)
    def abort_alike(self, request: str, then: int) -> None:
        """Abort all turns of its session, or all ordinary requests."""
        self._do(Abort(request=request[0]), then)

    @precondition(lambda machine: machine.going and machine.running)
    @rule(request=_one_of("running"), how=st.sampled_from(HOWS), then=_THEN)
    def retract(self, request: str, how: RetractHow, then: int) -> None:
        """Send a running request back to the queue."""
        self._do(Retract(rids=(request,), how=how), then)

    @precondition(lambda machine: machine.going and machine.running)
    @rule(how=st.sampled_from(HOWS), then=_THEN)
    def retract_all(self, how: RetractHow, then: int) -> None:
        """Send all of them back."""
        self._do(Retract(rids=None, how=how), then)

    # A refusal while nothing runs is never tried again: all that follows would wait.
    @precondition(lambda machine: machine.going and machine.waiting and machine.running)
    @rule(request=_one_of("waiting"), times=st.integers(1, 2), then=_THEN)
    def refuse(self, request: str, times: int, then: int) -> None:
        """Let a waiting request find no memory."""
        self._do(Refuse(request=request, times=times), then)

    @precondition(lambda machine: machine.going and machine.opened)
    @rule(session=_one_of("opened"), then=_THEN)
    def close(self, session: str, then: int) -> None:
        """Close a session, whatever it does."""
        self._do(Close(session=session), then)

    @precondition(lambda machine: machine.going and machine.opened)
    @rule(session=_one_of("opened"), then=_THEN)
    def expire(self, session: str, then: int) -> None:
        """Let a session have been silent for too long; the reaper sees it when time passes."""
        self._do(Expire(session=session), then)

    @precondition(lambda machine: machine.going)
    @rule(seconds=st.sampled_from(SECONDS), look=st.booleans())
    def wait(self, seconds: float, look: bool) -> None:
        """Let time pass."""
        self._now = round(self._now + seconds, 9)
        if look:
            self._do(REAP)

    @precondition(lambda machine: not machine.going)
    @rule()
    def nothing(self) -> None:
        """After a crash that is known nothing can be done."""

    def teardown(self) -> None:
        """What waits is given the time to show that it waits in vain; then the last recount."""
        if not self._over:
            engine = self._stage.engine
            for _ in range(PATIENCE):
                if self._over or not engine.waiting or engine.running:
                    break
                self._do(STEP)
        if not self._over:
            self._over = True
            self._stage.end(self._playing.ending(self.config))
            self._judge()
        for kind in (*self._reports.operations, *(k for k, count in self._reports.events.items() if count)):
            event(kind)

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
        self._reports.before(self._now, what)
        try:
            closed, report = self._playing.do(self._now, what)
            self._reports.after((closed, report))
            if report is not None:
                self._barren = 0 if report.progressed else self._barren + 1
        except Over as error:
            self._reports.died(error)
            self._over = True
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
            handed = hand_over(self.aim.named(), self.config, self.actions, shown.fault, self.aim.out)
            error.folder = handed.left.folder
            error.args = (f"{shown.verdict.text()}\n\n{handed}",)
        return error
