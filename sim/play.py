"""Plays timed operations on a driver: those of a recorded run, and those that a scenario spells out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.clock import PATIENCE, Ending
from sim.config import RunConfig
from sim.driver import Driver, Over
from sim.engines.marks import REAP, STEP, Timed
from sim.engines.protocol import StepReport
from sim.operations import Operation, Refuse

STUCK = "stuck"
"""Marks in a recorded run that nothing was left to come, and work waited."""
_NOTICE = 2048


class Playing:
    """Plays actions one at a time; like the clock, sets the engine's time once before each iteration."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._now = -1.0
        self._barren = 0
        self._patience = PATIENCE

    def do(self, time: float, what: Operation | str) -> tuple[tuple[str, ...], StepReport | None]:
        """One action: the sessions that the reaper closed before it, what the iteration did; Over if it crashes."""
        driver = self._driver
        closed: tuple[str, ...] = ()
        report = None
        if time > self._now:
            self._now = time
            closed = driver.reap(time) if what == REAP else driver.advance(time)
            if closed:
                self._barren = 0
        if what == STEP:
            report = driver.step()
            self._barren = 0 if report.progressed else self._barren + 1
        elif not isinstance(what, str):
            driver.do(what)
            self._barren = 0
            if isinstance(what, Refuse):
                self._patience += what.times
        return closed, report

    @property
    def waits(self) -> bool:
        """Whether work waits and nothing runs."""
        engine = self._driver.engine
        return bool(engine.waiting) and not engine.running

    @property
    def waits_in_vain(self) -> bool:
        """Whether it does, and so many iterations have changed nothing."""
        return self._barren >= self._patience and self.waits

    def ending(self, config: RunConfig) -> Ending:
        """How it ends if nothing more is done: stuck, unless something would happen by itself as time passes."""
        if not self.waits_in_vain:
            return "done"
        engine = self._driver.engine
        timed = config.scheduler.waiting_timeout is not None and bool(engine.snapshot().waiting)
        return "stuck" if not timed and engine.next_reap() is None else "done"


def play(
    driver: Driver,
    actions: Iterable[Timed],
    config: RunConfig,
    *,
    recorded: bool = False,
    notice: Callable[[int, float], None] | None = None,
) -> Ending:
    """Every action in turn.

    Work that waits in vain when the list ends is stuck, unless the run is `recorded`: then only STUCK says so.
    """
    playing = Playing(driver)
    for time, what in actions:
        try:
            playing.do(time, what)
        except Over:
            return "crash"
        if what == STUCK:
            # The recorded run was stuck here; another release, or a user's policy, need not be.
            return "stuck" if playing.waits_in_vain else "done"
        if notice is not None and driver.event % _NOTICE == 0:
            notice(driver.event, time)
    return "done" if recorded else playing.ending(config)
