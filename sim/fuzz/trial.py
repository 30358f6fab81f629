"""One case played to its end on whatever is fuzzed: the faults it shows, where, and what happened on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from sim.cases.watch import Watch
from sim.clock import PATIENCE, Ending
from sim.config import RunConfig
from sim.driver import Driver, Over
from sim.engines.marks import STEP, Timed
from sim.engines.model import ModelEngine
from sim.engines.select import Engines
from sim.fuzz.faults import Fault, Telling
from sim.fuzz.occurred import Reports
from sim.fuzz.subject import Subject
from sim.ledger.verdicts import Verdict
from sim.setup import Stage


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A fault of a case: its first verdict, and the index of the operation by which it is known."""

    fault: Fault
    verdict: Verdict
    at: int


@dataclass(kw_only=True)
class Trial:
    """What one case came to."""

    seen: list[Seen]
    iterations: int
    ending: Ending
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
        """The whole case; `counted` says what happened, too."""
        with Stage(self._identity, config, None, engines=self._engines) as stage:
            watch: Watch | Reports | None = None
            if counted:
                engine = stage.engine
                watch = Watch(engine) if isinstance(engine, ModelEngine) else Reports()
            opened: list[int] = []
            ending = _play(stage.driver, actions, watch, opened)
            stage.end(ending)
            frames = stage.driver.crashed.frames if stage.driver.crashed is not None else ()
            found = [
                Seen(fault=shown.fault, verdict=shown.verdict, at=_known_at(opened, shown.verdict, len(actions)))
                for shown in Telling(actions).faults(stage.verdicts, frames)
            ]
            trial = Trial(seen=found, iterations=stage.driver.iteration, ending=ending)
            if watch is not None:
                trial.operations, trial.events = watch.operations, watch.events
                if ending == "stuck":
                    trial.events["stuck"] += 1
            return trial


def _known_at(ends: list[int], verdict: Verdict, length: int) -> int:
    """The operation in which the verdict's event lies; one found after the end needs all of them.

    `ends` has for each operation the number of the last event in it.
    """
    for at, end in enumerate(ends):
        if verdict.event <= end:
            return at
    return length - 1


def _play(
    driver: Driver, actions: Sequence[Timed], watch: Watch | Reports | None, ends: list[int]
) -> Ending:
    now, barren = -1.0, 0
    closed: tuple[str, ...] = ()
    for time, what in actions:
        if watch is not None:
            watch.before(time, what)
        try:
            report = None
            closed = ()
            if time > now:
                closed = driver.advance(time)
                now = time
            if what == STEP:
                report = driver.step()
                barren = 0 if report.progressed else barren + 1
            elif not isinstance(what, str):
                driver.do(what)
                barren = 0
        except Over:
            if watch is not None and driver.crashed is not None:
                watch.died(driver.crashed)
            return "crash"
        ends.append(driver.event)
        if watch is not None:
            watch.after((closed, report))
    engine = driver.engine
    return "stuck" if barren >= PATIENCE and engine.waiting and not engine.running else "done"
