"""The two sides of a comparison: the model here, and whoever answers the same operations over there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from sim.cases.watch import Watch
from sim.config import RunConfig
from sim.conform.targets import Target
from sim.engines.layout import Layout
from sim.engines.marks import STEP, Crash, Mark, Timed, Walk, mark
from sim.engines.model import ModelEngine
from sim.engines.protocol import Engine, EngineCrash, Snapshot, StepReport
from sim.engines.sglang.remote import EngineBroken, RemoteEngine
from sim.engines.sglang.wire import timed_to_json
from sim.setup import choose_release

_STUCK_AFTER = 3
_GONE = ("Hang", "Died")


@dataclass(frozen=True, kw_only=True)
class Look:
    """Everything that can be seen after the last of some operations."""

    answer: Any
    snapshot: Snapshot | None
    layout: Layout | None
    crash: Crash | None = None


class Side(Protocol):
    """Plays operations on a fresh engine; the two halves let another process work meanwhile."""

    def post(self, config: RunConfig, actions: Sequence[Timed]) -> None:
        """Begin to play."""

    def collect(self) -> list[Mark]:
        """A mark for each operation."""

    def look(self, config: RunConfig, actions: Sequence[Timed]) -> Look:
        """Play anew, and look closely after the last one."""


@dataclass
class Played:
    """What the model did with a case."""

    marks: list[Mark]
    operations: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    cut: bool = False


class Model:
    """Our side."""

    def __init__(self, target: Target) -> None:
        self._release = choose_release(target.identity("conform"))
        self._posted: list[Mark] = []

    def engine(self, config: RunConfig) -> ModelEngine:
        """A fresh one."""
        return ModelEngine(config, self._release)

    def play(self, config: RunConfig, actions: Sequence[Timed], *, watched: bool = True) -> Played:
        """Every operation; how often what happened."""
        engine = self.engine(config)
        watch = Watch(engine) if watched else None
        walk, played, barren = Walk(engine), Played([]), 0
        for time, what in actions:
            if watch is not None:
                watch.before(time, what)
            try:
                answer = walk.do(time, what)
                if watch is not None:
                    watch.after(answer)
                if config.scheduler.preempts and several_victims(engine, answer, watch):
                    # The release walks a set of requests there: in which order they queue again is chance.
                    played.cut = True
                    break
                played.marks.append(mark(engine, answer))
            except Exception as error:
                played.marks.append(_crash(error))
                if watch is not None:
                    watch.died(error)
                break
            if what == STEP:
                barren = 0 if answer[1][-1] else barren + 1
        if watch is not None:
            if barren >= _STUCK_AFTER and engine.waiting and not engine.running:
                watch.events["stuck"] += 1
            played.operations, played.events = watch.operations, watch.events
        return played

    def post(self, config: RunConfig, actions: Sequence[Timed]) -> None:
        """Play at once."""
        self._posted = self.play(config, actions, watched=False).marks

    def collect(self) -> list[Mark]:
        """What was played last."""
        return self._posted

    def look(self, config: RunConfig, actions: Sequence[Timed]) -> Look:
        """Play anew, and look closely after the last one."""
        return look(self.engine(config), actions)


def several_victims(engine: ModelEngine, answer: Any, watch: Watch | None) -> bool:
    """Whether one iteration preempted more than one request."""
    report = answer[1]
    return watch is not None and report is not None and watch.victims(StepReport(*report)) > 1


def look(engine: Engine, actions: Sequence[Timed]) -> Look:
    """Play on this engine, and look closely after the last one."""
    walk = Walk(engine)
    answer: Any = None
    try:
        for time, what in actions:
            answer = walk.do(time, what)
        return Look(answer=answer, snapshot=engine.snapshot(), layout=engine.layout())
    except Exception as error:
        return Look(answer=None, snapshot=None, layout=None, crash=_crash(error))


def _crash(error: Exception) -> Crash:
    """An exception that is no crash of the release is one of ours: it equals nothing."""
    if isinstance(error, EngineCrash):
        return Crash(error.kind, error.message, error.frames)
    return Crash(f"broken: {type(error).__name__}", str(error))


class Real:
    """The other side: the release in its worker."""

    def __init__(self, start: Callable[[], RemoteEngine]) -> None:
        self._start = start
        self._remote = start()

    def post(self, config: RunConfig, actions: Sequence[Timed]) -> None:
        """Send the whole case, configuration included."""
        ops = timed_to_json(actions)
        self._remote.post({"op": "play", "config": asdict(config), "ops": ops, "deep": True})

    def collect(self) -> list[Mark]:
        """Wait for its marks; a worker that has died is followed by a new one."""
        try:
            return self._remote.collect_play()
        except (EngineCrash, EngineBroken) as error:
            return [self._failed(error)]

    def look(self, config: RunConfig, actions: Sequence[Timed]) -> Look:
        """Play anew, and look closely after the last one."""
        try:
            self._remote.begin(config)
            seen = look(self._remote, actions)
        except (EngineCrash, EngineBroken) as error:
            return Look(answer=None, snapshot=None, layout=None, crash=self._failed(error))
        if seen.crash is not None and seen.crash.kind in _GONE:
            self._restart()
        return seen

    def _failed(self, error: Exception) -> Crash:
        crash = _crash(error)
        if crash.kind in _GONE or not self._remote.worker.alive:
            self._restart()
        return crash

    def _restart(self) -> None:
        self.end()
        self._remote = self._start()

    def end(self) -> None:
        """End the worker."""
        self._remote.worker.close()
