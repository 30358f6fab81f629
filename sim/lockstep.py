"""Two engines play the same recorded run; the first operation after which they differ is found and told.

first pass   windows of operations: the worker plays ahead, ours plays meanwhile, marks are compared
             (snapshots after every operation, layouts at the end of a window and in idle moments)
second pass  both begin anew, play up to the window that differed, and go on one operation at a time,
             snapshot and layout compared after each
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sim.blame import blaming
from sim.engines.layout import Layout, differences
from sim.engines.marks import Crash, Mark, Timed, Walk
from sim.engines.protocol import Engine, EngineCrash, Snapshot
from sim.engines.select import Engines
from sim.engines.sglang.remote import EngineBroken, RemoteEngine
from sim.recorded import Line, Recorded
from sim.replay import Changes, changed, fitted
from sim.setup import Identity, card_memory, choose_device, choose_release, make_model

WINDOW = 64
AHEAD = 3
BEFORE = 10

Notice = Callable[[int, float], None]


@dataclass(frozen=True, kw_only=True)
class View:
    """One engine after one operation; nothing but the crash if it crashed."""

    answer: Any = None
    idle: bool | None = None
    snapshot: Snapshot | None = None
    layout: Layout | None = None
    crash: Crash | None = None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first operation after which the engines differ, and how each stands then."""

    operation: int
    line: Line
    before: tuple[tuple[int, Line], ...]
    one: View
    other: View

    @property
    def layout(self) -> list[str]:
        """What differs index by index."""
        one, other = self.one.layout, self.other.layout
        return [] if one is None or other is None else differences(one, other)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a lockstep came to; `unsteady` are the operations that differed once and not again."""

    names: tuple[str, str]
    operations: int
    layouts: int
    crash: Crash | None = None
    difference: Difference | None = None
    unsteady: tuple[int, int] | None = None

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.difference is None and self.unsteady is None


class Side:
    """One of the two: makes its engine anew as often as it is asked."""

    def __init__(self, recorded: Recorded, engines: Engines, changes: Changes) -> None:
        identity, config = changed(recorded, changes)
        identity = fitted(recorded.path, identity, engines, changes)
        self._engines = engines
        self._reverts = identity.revert
        self.name = _name(identity, engines)
        self._release = None
        if engines.real:
            self.config = replace(config, device="cpu")
        else:
            self.config = replace(config, device=choose_device(config.device))
            self._release = choose_release(identity, f"{recorded.path}:1:1")

    def engine(self) -> Engine:
        """A fresh one."""
        if self._release is None:
            return self._engines.remote(self.config, self._reverts)
        return make_model(self.config, self._release)

    def player(self) -> _Player:
        """A fresh engine that plays windows."""
        engine = self.engine()
        return _Away(engine) if isinstance(engine, RemoteEngine) else _Here(engine)


def _name(identity: Identity, engines: Engines) -> str:
    words = [engines.name if engines.real else f"model of {identity.release}"]
    words += [f"without #{number}" for number in identity.revert]
    words += [f"with #{number}" for number in identity.add]
    return " ".join(words)


class _Here:
    """Plays when it is asked for the outcome."""

    def __init__(self, engine: Engine) -> None:
        self._walk = Walk(engine)
        self._posted: deque[tuple[list[Timed], bool]] = deque()

    def post(self, actions: list[Timed], deep: bool) -> None:
        self._posted.append((actions, deep))

    def collect(self) -> list[Mark]:
        actions, deep = self._posted.popleft()
        return self._walk.play(actions, deep=deep)

    def abandon(self) -> None:
        self._posted.clear()


class _Away:
    """Plays as soon as it hears of it."""

    def __init__(self, engine: RemoteEngine) -> None:
        self._engine = engine
        self._posted = 0

    def post(self, actions: list[Timed], deep: bool) -> None:
        with contextlib.suppress(EngineCrash):  # It has died; who collects is told.
            self._engine.post_play(actions, deep=deep)
        self._posted += 1

    def collect(self) -> list[Mark]:
        self._posted -= 1
        try:
            return self._engine.collect_play()
        except EngineCrash as error:
            return [Crash(error.kind, error.message, error.frames)]

    def abandon(self) -> None:
        """What is still to come is of no interest, but it has to come before anything else is asked."""
        while self._posted:
            with contextlib.suppress(EngineBroken, IndexError):
                self.collect()


_Player = _Here | _Away


def lockstep(
    path: Path,
    engines: tuple[Engines, Engines],
    changes: Changes | None = None,
    *,
    deep: bool = False,
    notice: Notice | None = None,
) -> Outcome:
    """Play a recorded run on two engines until they differ."""
    changes = changes or Changes()
    memory = card_memory(changes.device)
    with blaming(changes.policy), Recorded(path, memory) as recorded:
        sides = [Side(recorded, one, changes) for one in engines]
        if sides[0].name == sides[1].name:
            for side, one in zip(sides, engines, strict=True):
                side.name += one.where
        outcome = _first_pass(recorded, sides, deep, notice)
    if outcome.unsteady is None:
        return outcome
    with blaming(changes.policy), Recorded(path, memory) as recorded:
        difference = _second_pass(recorded, sides, outcome.unsteady)
    if difference is None:
        return outcome
    return replace(outcome, operations=difference.operation, difference=difference, unsteady=None)


# -- first pass: windows, and only marks --------------------------------------------------------------------


def _first_pass(recorded: Recorded, sides: list[Side], deep: bool, notice: Notice | None) -> Outcome:
    players = [side.player() for side in sides]
    # Whoever is in another process is collected last: it works while the one here does.
    turns = sorted((0, 1), key=lambda index: isinstance(players[index], _Away))
    windows = _windows(recorded)
    played = layouts = 0
    ahead: deque[list[Line]] = deque()
    names = (sides[0].name, sides[1].name)
    while True:
        for window in islice(windows, AHEAD - len(ahead)):
            ahead.append(window)
            for player in players:
                player.post([(line.time, line.what) for line in window], deep)
        if not ahead:
            return Outcome(names=names, operations=played, layouts=layouts)
        window = ahead.popleft()
        marks: list[list[Mark]] = [[], []]
        for turn in turns:
            marks[turn] = players[turn].collect()
        crash = _same_crash(*marks)
        if not crash and (marks[0] != marks[1] or len(marks[0]) < len(window)):
            _abandon(players)
            return Outcome(
                names=names, operations=played, layouts=layouts, unsteady=(played + 1, played + len(window))
            )
        played += len(marks[0])
        layouts += len(marks[0]) if deep else 1
        if notice is not None:
            notice(played, window[-1].time)
        if crash:
            _abandon(players)
            return Outcome(names=names, operations=played, layouts=layouts, crash=crash)


def _windows(recorded: Recorded) -> Iterator[list[Line]]:
    lines = (line for line in recorded.lines() if line.what != "stuck")
    while window := list(islice(lines, WINDOW)):
        yield window


def _same_crash(one: list[Mark], other: list[Mark]) -> Crash | None:
    """The crash that ended both, at the same operation and of the same kind; its words may differ."""
    if not one or not other or one[:-1] != other[:-1]:
        return None
    mine, theirs = one[-1], other[-1]
    if isinstance(mine, Crash) and isinstance(theirs, Crash) and mine.kind == theirs.kind:
        return theirs if theirs.frames else mine
    return None


def _abandon(players: list[_Player]) -> None:
    for player in players:
        player.abandon()


# -- second pass: one operation at a time -------------------------------------------------------------------


def _second_pass(recorded: Recorded, sides: list[Side], among: tuple[int, int]) -> Difference | None:
    """The first operation of the window after which the engines differ; None if they no longer do."""
    first, last = among
    lines = enumerate((line for line in recorded.lines() if line.what != "stuck"), 1)
    before: deque[tuple[int, Line]] = deque(maxlen=BEFORE)
    walks = [Walk(side.engine()) for side in sides]
    for number, line in islice(lines, last):
        if number < first:
            try:
                for walk in walks:
                    walk.do(line.time, line.what)
            except EngineCrash:
                return None  # It did not crash here the first time.
        else:
            one, other = (_view(walk, line) for walk in walks)
            if not _alike(one, other):
                return Difference(operation=number, line=line, before=tuple(before), one=one, other=other)
            if one.crash:
                return None
        before.append((number, line))
    return None


def _view(walk: Walk, line: Line) -> View:
    try:
        answer = walk.do(line.time, line.what)
        engine = walk.engine
        return View(answer=answer, idle=engine.idle, snapshot=engine.snapshot(), layout=engine.layout())
    except EngineCrash as error:
        return View(crash=Crash(error.kind, error.message, error.frames))


def _alike(one: View, other: View) -> bool:
    if one.crash and other.crash:
        return one.crash.kind == other.crash.kind
    return one == other
