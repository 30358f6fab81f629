"""Plays timed operations on one engine and leaves a number for each: what two engines must agree on, in brief.

Both sides of a comparison run this, each in its own process; only the numbers travel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from sim.engines.layout import layout_crc, snapshot_crc
from sim.engines.protocol import Engine, EngineCrash
from sim.operations import Operation

STEP = "step"
REAP = "reap"
Timed = tuple[float, Operation | str]
"""A time in seconds, and what is done then: an operation, one iteration (STEP), or nothing more (REAP)."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The release raised here; its kind must be the same on both engines, its words need not be."""

    kind: str
    message: str = ""
    frames: tuple[str, ...] = ()


Mark = int | Crash


class Walk:
    """One engine and its clock: sets the time before an operation exactly as a replay does."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._now = -1.0

    def do(self, time: float, what: Operation | str) -> Any:
        """Do one thing; all that the engine answered, as plain values."""
        engine = self.engine
        closed: tuple[str, ...] = ()
        time = round(time, 9)
        if time > self._now:
            self._now = time
            closed = engine.advance(time)
        if what == STEP:
            return closed, tuple(engine.step())
        if isinstance(what, str):
            return closed, None
        what.apply(engine)
        return closed, None

    def play(self, actions: Sequence[Timed], *, deep: bool = True) -> list[Mark]:
        """A mark for each action; a crash is the last one.

        Not `deep` leaves the layout out of all marks but those of idle moments and of the last action.
        """
        marks: list[Mark] = []
        for left, (time, what) in zip(range(len(actions), 0, -1), actions, strict=True):
            try:
                answer = self.do(time, what)
            except EngineCrash as error:
                marks.append(Crash(error.kind, error.message, error.frames))
                break
            marks.append(mark(self.engine, answer, deep=deep or left == 1 or self.engine.idle))
        return marks


def play(engine: Engine, actions: Iterable[Timed]) -> list[Mark]:
    """A mark for each action on a fresh engine; a crash is the last one."""
    return Walk(engine).play(list(actions))


def mark(engine: Engine, answer: Any, *, deep: bool = True) -> int:
    """One number for what the engine answered and for the state it is in now."""
    crc = snapshot_crc(engine.snapshot())
    if deep:
        crc = layout_crc(engine.layout(), crc)
    return crc32(repr(answer).encode(), crc)
