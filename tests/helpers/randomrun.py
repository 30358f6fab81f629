"""Random runs: operations drawn while looking at the engine, every one of them audited.

What was done is kept as a list that plays again on a fresh engine, and can be cut down to what still shows a fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from helpers.randomcase import Case

from sim.driver import Driver, Over
from sim.engines.protocol import Request, StepReport
from sim.ledger.auditor import Auditor
from sim.operations import Abort, Close, Expire, Open, Operation, Refuse, Retract, Submit
from sim.world import Segment

STEP = "step"
Action = Operation | str | float
"""One operation, an iteration (STEP), or the time to which the clock is set (a number)."""

SESSIONS = "abcd"


@dataclass
class Run:
    """What a random run did and showed."""

    case: Case
    actions: list[Action] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    verdicts: list[Any] = field(default_factory=list)
    crash: str | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.verdicts


class Player:
    """Plays a case: draws operations while looking at the engine, or repeats those that it is given."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.engine = case.engine()
        self.auditor = Auditor(self.engine)
        self.driver = Driver(self.engine, self.auditor)
        self.run = Run(case)
        self._random = Random(f"operations {case.seed}")
        self._opened: list[str] = []
        self._turns: Counter[str] = Counter()
        self._requests = 0
        self._now = 0.0
        self._asked = False

    # -- playing ------------------------------------------------------------------------------------------

    def do(self, action: Action) -> None:
        """One action, audited."""
        self.run.actions.append(action)
        if action == STEP:
            self._note(self.driver.step())
            self._asked = self.engine.scheduler.forced is not None
        elif isinstance(action, float):
            self.run.kinds["reap"] += bool(self.driver.advance(action))
        else:
            self.driver.do(action)
            self.run.kinds[action.kind] += 1
            self._asked |= isinstance(action, Retract)

    def _note(self, report: StepReport) -> None:
        kinds = self.run.kinds
        kinds[report.kind] += 1
        for name in ("finished", "aborted", "retracted", "refused"):
            kinds[name] += len(getattr(report, name))
        kinds["check"] += report.release_check is not None
        knobs = self.case.config.scheduler
        if report.retracted and not (self._asked or knobs.test_retract or knobs.preemption):
            kinds["pressure"] += 1

    def play(self, actions: Iterable[Action]) -> Run:
        """These actions, then the last recount; a crash of the release ends it."""
        try:
            for action in actions:
                self.do(action)
            self.auditor.finish()
        except Over:
            self.run.crash = str(self.driver.crashed)
            self.run.kinds["crash"] += 1
        self.run.verdicts = self.auditor.verdicts
        return self.run

    def improvise(self, length: int) -> Run:
        """About `length` actions drawn on the way, then a drain and a close of all sessions."""
        return self.play(self._drawn(length))

    def _drawn(self, length: int) -> Iterator[Action]:
        while len(self.run.actions) < length:
            yield from self._draw()
        yield from [STEP] * 12
        for name in self._opened:
            yield Close(session=name)
        yield STEP
        yield self._later(5.0)
        yield from [STEP] * 3

    # -- drawing ------------------------------------------------------------------------------------------

    def _draw(self) -> list[Action]:
        random, weights = self._random, self.case.weights
        name = random.choices(list(weights), list(weights.values()))[0]
        if name in ("turn", "plain", "second", "overlong") and len(self._live()) >= self.case.most_live:
            name = "step"
        if name == "step" and self.engine.idle:
            name = random.choice(["turn", "plain"])
        if not self._opened and name in ("turn", "second", "close", "expire"):
            name = "open"
        draw: Callable[[], list[Action]] = getattr(self, "_" + name.replace(" ", "_"))
        return draw()

    def _live(self) -> list[str]:
        scheduler = self.engine.scheduler
        chunked = [] if scheduler.chunked is None else [scheduler.chunked.rid]
        return list(dict.fromkeys([r.rid for r in scheduler.waiting] + self._running() + chunked))

    def _running(self) -> list[str]:
        scheduler = self.engine.scheduler
        batches = [scheduler.running] if scheduler.last is None else [scheduler.running, scheduler.last]
        return list(dict.fromkeys(r.rid for b in batches for r in b.reqs if not r.finished))

    def _later(self, seconds: float) -> float:
        self._now = round(self._now + seconds, 3)
        return self._now

    def _step(self) -> list[Action]:
        return [self._later(0.01), *[STEP] * self._random.choice([1, 1, 2, 3])]

    def _open(self) -> list[Action]:
        name = self._random.choice(SESSIONS)
        if name not in self._opened:
            self._opened.append(name)
        return [Open(session=name, timeout=self._random.choice([None, None, 0.87, 3.07]))]

    def _turn(self) -> list[Action]:
        name = self._random.choice(self._opened)
        if self.case.calm and self._nearly_full(name):
            return [Close(session=name)]
        return self._step() if self._busy(name) else self._next_turn(name, None)

    def _nearly_full(self, name: str) -> bool:
        session = self.engine.scheduler.controller.sessions.get(name)
        return session is not None and len(session.history()) + 64 > self.case.config.max_req_input_len

    def _busy(self, name: str) -> bool:
        return any(rid.startswith(name + "/") for rid in self._live())

    def _second(self) -> list[Action]:
        live = [rid.split("/")[0] for rid in self._live() if "/" in rid]
        return self._next_turn(self._random.choice(live or self._opened), None)

    def _overlong(self) -> list[Action]:
        length = self.case.config.max_req_input_len + self._random.choice([0, 3] if self.case.calm else [-1, 0, 3])
        name = self._random.choice(self._opened or SESSIONS)
        if self._random.random() < 0.7 and not (self.case.calm and self._busy(name)):
            return self._next_turn(name, length)
        return self._plain(length)

    def _plain(self, length: int | None = None) -> list[Action]:
        self._requests += 1
        return [Submit(what=self._request(f"r{self._requests}", None, length))]

    def _next_turn(self, name: str, length: int | None) -> list[Action]:
        self._turns[name] += 1
        rid = f"{name}/{self._turns[name]}"
        actions: list[Action] = [Submit(what=self._request(rid, name, length))]
        if self.case.weights["refuse"] and self._random.random() < 0.08:
            actions.insert(0, Refuse(request=rid, times=self._random.choice([1, 2])))
        return actions

    def _request(self, rid: str, session: str | None, length: int | None) -> Request:
        random, knobs, calm = self._random, self.case.config.scheduler, self.case.calm
        own = random.choice([2, 2, 3, 5, 9, 16, 21] if calm else [1, 1, 2, 3, 5, 9, 16, 21])
        prompt = [Segment(name=random.choice([rid, rid, "text"]), length=own)]
        if length is not None:
            prompt = [Segment(name=rid, length=length)]
        elif random.random() < (0.2 if session else 0.6):
            prompt.insert(0, Segment(name=random.choice("xy"), length=random.choice([4, 8, 17, 32])))
        accept: Any = (1,)
        if knobs.speculative is not None:
            accept = random.choice([(1,), (2,), (4,), (1, 3), (4, 1, 2), 0.3, 0.7, 0.95])
        return Request(
            rid=rid, prompt=tuple(prompt), max_new=random.choice(self.case.outputs), session=session, accept=accept,
            priority=random.choice([None, 0, 1, 5, 20]) if knobs.priority else None,
            stop_at=random.randint(1, 10) if random.random() < 0.3 else None,
            ignore_eos=random.random() < 0.2 and not (calm and not knobs.radix),
        )  # fmt: skip

    def _abort(self) -> list[Action]:
        live = [rid for rid in self._live() if not (self.case.calm and self._keeps_its_text(rid))]
        return [Abort(request=self._random.choice(live))] if live else self._step()

    def _keeps_its_text(self, rid: str) -> bool:
        """Whether an abort would hit a turn that waits, or one that was retracted: both leave their session wrong."""
        scheduler = self.engine.scheduler
        batches = [b.reqs for b in (scheduler.running, scheduler.last) if b is not None]
        taken_back = (r for reqs in batches for r in reqs if r.retractions)
        wrong = [r.rid for r in (*scheduler.waiting, *taken_back) if r.spec.session is not None]
        return any(other.startswith(rid) for other in wrong)

    def _close(self) -> list[Action]:
        return [Close(session=self._random.choice(self._opened))]

    def _expire(self) -> list[Action]:
        return [Expire(session=self._random.choice(self._opened)), self._later(0.01)]

    def _pause(self) -> list[Action]:
        return [Retract(rids=None, how="pause")] if self._may_retract() else self._step()

    def _pause_some(self) -> list[Action]:
        running = self._running()
        split = self.case.calm and self.engine.scheduler.chunked is not None
        if not running or split or not self._may_retract():
            return self._step()
        return [Retract(rids=(self._random.choice(running),), how="pause")]

    def _memory(self) -> list[Action]:
        running = [r.rid for r in self.engine.scheduler.running.reqs]
        if not running or not self._may_retract():
            return self._step()
        return [Retract(rids=self._random.choice([None, (self._random.choice(running),)]), how="memory"), STEP]

    def _may_retract(self) -> bool:
        """Not, in a calm case, while a request that was aborted has not ended."""
        scheduler = self.engine.scheduler
        batches = [b.reqs for b in (scheduler.running, scheduler.last) if b is not None]
        return not (self.case.calm and any(r.to_finish for reqs in batches for r in reqs))

    def _refuse(self) -> list[Action]:
        waiting = [r.rid for r in self.engine.scheduler.waiting]
        return [Refuse(request=self._random.choice(waiting), times=1)] if waiting else self._step()

    def _reap(self) -> list[Action]:
        return [self._later(self._random.choice([0.31, 0.62, 1.13, 2.4]))]


def improvised(case: Case, length: int) -> Run:
    """A random run of this case."""
    return Player(case).improvise(length)


def shrunk(run: Run, shows: Callable[[Run], bool]) -> Run:
    """The run with every action taken out that is not needed for what it shows."""
    actions, size = list(run.actions), len(run.actions)
    while size:
        at = 0
        while at < len(actions):
            shorter = Player(run.case).play(actions[:at] + actions[at + size :])
            if shows(shorter):
                run, actions = shorter, actions[:at] + actions[at + size :]
            else:
                at += size
        size //= 2
    return run
