"""The world in simulated time: the scheduler's loop, the clients, and what is injected, on one SimPy clock.

Nothing here sleeps or reads the wall clock. The scheduler takes its messages at the start of an iteration,
in the order in which they were sent, and an iteration lasts as long as the latency model says.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from simpy import Environment

from sim.alarm import Alarm
from sim.blame import RAISED
from sim.clients import OnEnd, Process, bursty, poisson, scripted, single
from sim.conditions import ENDED, Moment
from sim.config import RunConfig
from sim.driver import Driver, Over
from sim.engines.protocol import StepReport
from sim.fleet import FleetClients
from sim.injections import Injections
from sim.operations import Abort, Operation, Refuse, Submit
from sim.scenario.model import (
    Bursty,
    Fleet,
    Poisson,
    ScriptedSession,
    SingleRequest,
    Source,
    Until,
)

Ending = Literal["done", "until", "stuck", "crash", "limit", "broken off"]

PATIENCE = 64
"""Iterations without progress after which a scheduler that runs nothing waits for a message."""
BARREN = 100_000
"""Iterations without progress and without a message after which a run is stuck."""
LIMIT = 200_000_000
"""Iterations of a run without `until`."""
_NOTICE = 2048
_LEAST_NAP = 0.001


class Clock:
    """One run: a driver, the sources that send to it, and the injections."""

    def __init__(
        self,
        driver: Driver,
        config: RunConfig,
        *,
        workload: Iterable[Source] = (),
        injections: Injections | None = None,
        until: Until | None = None,
        notice: Callable[[int, float], None] | None = None,
    ) -> None:
        self.env = Environment(0.0)
        self.seed = config.seed
        self.latency = config.latency
        self.ending: Ending = "done"
        self.injections = injections or Injections((), config)
        self._driver = driver
        self._engine = driver.engine
        self._waiting_timeout = config.scheduler.waiting_timeout
        self._workload = tuple(workload)
        self._last_time = until.time if until and until.time is not None else math.inf
        self._last_iteration = until.iterations if until and until.iterations is not None else math.inf
        self._notice = notice
        self._inbox: deque[tuple[Operation, OnEnd | None]] = deque()
        self._live: dict[str, OnEnd] = {}
        self._call = self.env.event()
        self._alarm = Alarm(self.env, self._wake)
        self._patience = PATIENCE
        self._barren = 0
        self._barren_since_message = 0
        self._error: BaseException | None = None

    def run(self) -> Ending:
        """Let the world go until nothing is left to do, or a bound is reached."""
        for source in self._workload:
            self.env.process(self._process(source))
        self.env.process(self._inject())
        self.env.process(self._schedule())
        try:
            self.env.run()
        except Over:
            if self._error is not None:
                raise self._error from None
        else:
            if self._engine.waiting or self._engine.running:
                self.ending = "stuck"
        return self.ending

    def post(self, operation: Operation, on_end: OnEnd | None = None) -> None:
        """Send an operation; the scheduler takes it at its next iteration."""
        self._inbox.append((operation, on_end))
        self._wake()

    def live(self, rid: str) -> bool:
        """Whether a client still waits for this request."""
        return rid in self._live

    def _process(self, source: Source) -> Process:
        match source:
            case ScriptedSession():
                return scripted(self, source)
            case SingleRequest():
                return single(self, source)
            case Poisson():
                return poisson(self, source)
            case Bursty():
                return bursty(self, source)
            case Fleet():
                return FleetClients(self, source).run()

    def _inject(self) -> Process:
        for injection in self.injections.timed:
            delay = injection.trigger.value - self.env.now
            if delay > 0:
                yield self.env.timeout(delay)
            self.post(self.injections.operation(injection))

    def _schedule(self) -> Process:
        """The scheduler: its messages, one iteration, and the time that takes."""
        env, latency = self.env, self.latency
        while not self._bounded():
            report = self._iterate()
            delay = latency.of(report.prefill_tokens, report.decode_requests)
            if report.finished or report.aborted:
                self._end(report.finished + report.aborted, delay)
            if self.injections.pending:
                self._trigger(report)
            if report.progressed:
                self._barren = self._barren_since_message = 0
                tired = False
            else:
                tired = self._tired()
            yield env.timeout(delay)
            if tired and not self._inbox:
                yield from self._sleep()
        raise Over

    def _iterate(self) -> StepReport:
        """Take the messages and run one iteration; an error ends the run, whatever SimPy would make of it."""
        try:
            if self._driver.advance(self.env.now):
                self._barren = self._barren_since_message = 0
            while self._inbox:
                self._deliver(*self._inbox.popleft())
            return self._driver.step()
        except Over:
            self.ending = "crash"
            raise
        except RAISED as error:
            # SimPy raises a copy made from `args`, which not every exception survives.
            self._error = error
            raise Over from error

    def _bounded(self) -> bool:
        """Whether the run has come to a bound; tells whoever watches how far it is."""
        driver = self._driver
        iteration = driver.iteration
        if self._notice is not None and iteration % _NOTICE == 0:
            self._notice(driver.event, self.env.now)
        if self.env.now >= self._last_time or iteration >= self._last_iteration:
            self.ending = "until"
        elif self._barren_since_message > BARREN:
            self.ending = "stuck" if self._engine.waiting or self._engine.running else "done"
        elif iteration >= LIMIT:
            self.ending = "limit"
        else:
            return False
        return True

    def _deliver(self, operation: Operation, on_end: OnEnd | None = None) -> None:
        self._barren = self._barren_since_message = 0
        if on_end is not None and operation.request is not None:
            self._live[operation.request] = on_end
        self._driver.do(operation)
        if isinstance(operation, Submit):
            self._queued(operation.request)
        elif isinstance(operation, Abort):
            self._sweep(operation.request)
        elif isinstance(operation, Refuse):
            self._patience += operation.times

    def _queued(self, rid: str) -> None:
        """Injections that wait for this very request come before its first admission attempt."""
        if self.injections.pending:
            driver = self._driver
            moment = Moment(time=driver.now, iteration=driver.iteration, submitted=rid)
            for operation in self.injections.due(moment, self._engine):
                self._deliver(operation)

    def _trigger(self, report: StepReport) -> None:
        """Injections that this iteration has made due come first in the next one."""
        ended = report.finished + report.aborted
        moment = Moment(time=self._driver.now, iteration=report.iteration, ended=ended)
        for operation in reversed(self.injections.due(moment, self._engine)):
            self._inbox.appendleft((operation, None))

    def _end(self, rids: Iterable[str], delay: float) -> None:
        for rid in rids:
            on_end = self._live.pop(rid, None)
            if on_end is not None:
                on_end(rid, delay)

    def _sweep(self, prefix: str = "") -> None:
        """Requests that left without an iteration saying so: aborted in the queue."""
        gone = (*ENDED, "unknown")
        left = [rid for rid in self._live if rid.startswith(prefix)]
        self._end([rid for rid in left if self._engine.progress(rid).state in gone], 0.0)

    def _tired(self) -> bool:
        """Whether another iteration would do as little as the last ones did."""
        self._barren += 1
        self._barren_since_message += 1
        engine = self._engine
        if engine.waiting or not engine.idle:
            return self._barren > self._patience and not engine.running
        self._sweep()
        return True

    def _sleep(self) -> Process:
        """Wait for a message, the reaper, or a time-out in the queue."""
        now = self.env.now
        self._barren = 0
        self._call = self.env.event()
        reap = self._engine.next_reap()
        if reap is not None:
            self._alarm.at(max(reap, now + _LEAST_NAP))
        if self._waiting_timeout is not None and self._engine.waiting and self._engine.snapshot().waiting:
            self._alarm.at(now + max(self._waiting_timeout, _LEAST_NAP))
        yield self._call

    def _wake(self) -> None:
        if not self._call.triggered:
            self._call.succeed()
