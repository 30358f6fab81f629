"""Plays timed operations on a driver: those of a recorded run, and those that a scenario spells out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.clock import PATIENCE, Ending
from sim.config import RunConfig
from sim.driver import Driver, Over
from sim.engines.marks import REAP, STEP, Timed
from sim.engines.protocol import Engine
from sim.operations import Refuse

STUCK = "stuck"
"""Marks in a recorded run that nothing was left to come, and work waited."""
_NOTICE = 2048


def play(
    driver: Driver,
    actions: Iterable[Timed],
    config: RunConfig,
    *,
    recorded: bool = False,
    notice: Callable[[int, float], None] | None = None,
) -> Ending:
    """Every action in turn; like the clock, sets the engine's time once before each iteration.

    Work that waits in vain when the list ends is stuck, unless the run is `recorded`: then only STUCK says so.
    """
    now, barren, patience = -1.0, 0, PATIENCE
    for time, what in actions:
        try:
            if time > now:
                now = time
                closed = driver.reap(time) if what == REAP else driver.advance(time)
                if closed:
                    barren = 0
            if what == STEP:
                barren = 0 if driver.step().progressed else barren + 1
            elif not isinstance(what, str):
                driver.do(what)
                barren = 0
                if isinstance(what, Refuse):
                    patience += what.times
            elif what == STUCK:
                # The recorded run was stuck here; another release, or a user's policy, need not be.
                return "stuck" if barren >= patience and _waits(driver.engine) else "done"
        except Over:
            return "crash"
        if notice is not None and driver.event % _NOTICE == 0:
            notice(driver.event, now)
    if recorded or barren < patience or not _waits(driver.engine):
        return "done"
    return "done" if _time_helps(driver.engine, config) else "stuck"


def _waits(engine: Engine) -> bool:
    return bool(engine.waiting) and not engine.running


def _time_helps(engine: Engine, config: RunConfig) -> bool:
    """Whether something would happen by itself if more time passed than the list says."""
    return config.scheduler.waiting_timeout is not None or engine.next_reap() is not None
