"""One case played to its end on whatever is fuzzed: the faults it shows, where, and what happened on the way."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from sim.cases.hooks import hook
from sim.cases.watch import Watch
from sim.clock import PATIENCE, Ending
from sim.config import RunConfig
from sim.engines.marks import STEP, Timed
from sim.engines.model import ModelEngine
from sim.engines.protocol import StepReport
from sim.engines.select import Engines
from sim.fuzz.faults import Fault, Telling
from sim.fuzz.occurred import Reports
from sim.fuzz.subject import Subject
from sim.ledger.verdicts import Verdict
from sim.play import play
from sim.run import blame_policy
from sim.setup import Stage


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A fault of a case: its first verdict, and the index of the operation by which it is known."""

    fault: Fault
    verdict: Verdict
    at: int


@dataclass(kw_only=True)
class Trial:
    """What one case came to; `actions` are all that were done, up to the crash, if it crashed."""

    seen: list[Seen]
    iterations: int
    ending: Ending
    actions: tuple[Timed, ...]
    verdicts: tuple[Verdict, ...]
    operations: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def shows(self, fault: Fault) -> Seen | None:
        """Where it shows this fault, if it does."""
        return next((seen for seen in self.seen if seen.fault == fault), None)


class Player:
    """Plays cases on one subject, one after another; ends its processes, by `with` or `close()`."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._identity = subject.identity("fuzz")
        self._engines = Engines(subject.choice)

    def __enter__(self) -> Player:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes of a real release."""
        self._engines.close()

    def play(self, config: RunConfig, actions: Sequence[Timed], *, counted: bool = False) -> Trial:
        """The whole case; `counted` says what happened, too.

        Work that waits at the end is given the time to show that it waits in vain.
        """
        try:
            return self._play(config, actions, counted=counted)
        except Exception as error:
            blame_policy(error, self.subject.policy)
            raise

    def _play(self, config: RunConfig, actions: Sequence[Timed], *, counted: bool) -> Trial:
        with Stage(self._identity, config, None, engines=self._engines) as stage:
            listener = _Listener(stage, counted=counted)
            ending = play(stage.driver, listener.hear(actions), config)
            stage.end(ending)
            crash = stage.driver.crashed
            found = [
                Seen(fault=shown.fault, verdict=shown.verdict, at=listener.known_at(shown.verdict))
                for shown in Telling(actions).faults(stage.verdicts, () if crash is None else crash.frames)
            ]
            trial = Trial(
                seen=found, iterations=stage.driver.iteration, ending=ending, actions=tuple(listener.done),
                verdicts=tuple(stage.verdicts),
            )  # fmt: skip
            if listener.watch is not None:
                if crash is not None:
                    listener.watch.died(crash)
                trial.operations, trial.events = listener.watch.operations, listener.watch.events
                if ending == "stuck":
                    trial.events["stuck"] += 1
            return trial


class _Listener:
    """Hears what is played: which event ended each action, and what happened."""

    def __init__(self, stage: Stage, *, counted: bool) -> None:
        self.watch: Watch | Reports | None = None
        self.done: list[Timed] = []
        self._driver = stage.driver
        self._ends: list[int] = []
        self._closed: tuple[str, ...] = ()
        self._report: StepReport | None = None
        if counted:
            engine = stage.engine
            self.watch = Watch(engine) if isinstance(engine, ModelEngine) else Reports()
            hook(stage.driver, "step", result=self._stepped)
            hook(stage.driver, "advance", result=self._advanced)
            hook(stage.driver, "reap", result=self._advanced)

    def _stepped(self, report: StepReport) -> None:
        self._report = report

    def _advanced(self, closed: tuple[str, ...]) -> None:
        self._closed = closed

    def hear(self, actions: Sequence[Timed]) -> Iterator[Timed]:
        """The actions; then iterations as long as it may turn out that work waits in vain."""
        time = 0.0
        for action in actions:
            time = action[0]
            yield from self._one(action)
        engine = self._driver.engine
        for _ in range(PATIENCE):
            if not engine.waiting or engine.running:
                return
            yield from self._one((time, STEP))

    def _one(self, action: Timed) -> Iterator[Timed]:
        watch = self.watch
        self.done.append(action)
        if watch is None:
            yield action
        else:
            self._closed, self._report = (), None
            watch.before(*action)
            yield action
            watch.after((self._closed, self._report))
        self._ends.append(self._driver.event)

    def known_at(self, verdict: Verdict) -> int:
        """The index of the action in which the verdict's event lies; one found after the end needs all of them."""
        return min(bisect_left(self._ends, verdict.event), len(self.done) - 1)
