"""One case played to its end on whatever is fuzzed: the faults it shows, where, and what happened on the way."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from sim.blame import blaming
from sim.cases.watch import Watch
from sim.clock import PATIENCE, Ending
from sim.config import RunConfig
from sim.driver import Over
from sim.engines.marks import STEP, Timed
from sim.engines.select import Engines
from sim.fuzz.faults import Fault, Telling
from sim.fuzz.occurred import Reports, watching
from sim.fuzz.subject import Subject
from sim.ledger.verdicts import Verdict
from sim.operations import Operation
from sim.play import Playing
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
        with blaming(self.subject.policy):
            return self._play(config, actions, counted=counted)

    def _play(self, config: RunConfig, actions: Sequence[Timed], *, counted: bool) -> Trial:
        with Stage(self._identity, config, None, engines=self._engines, blames=True) as stage:
            watch = watching(stage.engine) if counted else None
            run = _Run(stage, watch)
            ending = run.all(actions, config)
            stage.end(ending)
            crash = stage.driver.crashed
            found = [
                Seen(fault=shown.fault, verdict=shown.verdict, at=run.known_at(shown.verdict))
                for shown in Telling(actions).faults(stage.verdicts, () if crash is None else crash.frames)
            ]
            trial = Trial(
                seen=found, iterations=stage.driver.iteration, ending=ending, actions=tuple(run.done),
                verdicts=tuple(stage.verdicts),
            )  # fmt: skip
            if watch is not None:
                if crash is not None:
                    watch.died(crash)
                trial.operations, trial.events = watch.operations, watch.events
                if ending == "stuck":
                    trial.events["stuck"] += 1
            return trial


class _Run:
    """One case on its way: what has been done, and which event ended each action."""

    def __init__(self, stage: Stage, watch: Watch | Reports | None) -> None:
        self.done: list[Timed] = []
        self._driver = stage.driver
        self._playing = Playing(stage.driver)
        self._watch = watch
        self._ends: list[int] = []

    def all(self, actions: Sequence[Timed], config: RunConfig) -> Ending:
        """The actions; then iterations as long as it may turn out that work waits in vain."""
        time = 0.0
        try:
            for time, what in actions:
                self._one(time, what)
            for _ in range(PATIENCE):
                if not self._playing.waits:
                    break
                self._one(time, STEP)
        except Over:
            return "crash"
        return self._playing.ending(config)

    def _one(self, time: float, what: Operation | str) -> None:
        self.done.append((time, what))
        if self._watch is not None:
            self._watch.before(time, what)
        answer = self._playing.do(time, what)
        if self._watch is not None:
            self._watch.after(answer)
        self._ends.append(self._driver.event)

    def known_at(self, verdict: Verdict) -> int:
        """The index of the action in which the verdict's event lies; one found after the end needs all of them."""
        return min(bisect_left(self._ends, verdict.event), len(self.done) - 1)
