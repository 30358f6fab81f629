"""The load of the benchmarks: a batch that is always full, through the clock, the driver and the auditor.

Each of `batch` clients sends a request (prompt 64, output 512 to 1535) and, when it has ended, the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from simpy import Environment, Timeout

from policies.releases import DEFAULT_RELEASE
from sim.clock import Clock
from sim.config import Audit, MambaConfig, PoolConfig, RunConfig, SchedulerConfig, SwaConfig
from sim.engines.protocol import Request
from sim.operations import Open, Submit
from sim.scenario.model import Until
from sim.setup import Identity, Stage
from sim.world import Segment

PROMPT, SHORTEST, SPREAD = 64, 512, 1024
CONTEXT = 2048
NOTICE = 2048
"""The clock tells how far it is every so many iterations."""


def steady(batch: int, *, audit: Audit = "idle", tokens: int | None = None) -> RunConfig:
    """A pool and a scheduler that keep `batch` requests running without pressure."""
    tokens = tokens or batch * CONTEXT // 2
    return RunConfig(
        pool=PoolConfig(tokens=tokens, rows=batch + 8, context=CONTEXT),
        scheduler=SchedulerConfig(max_running=batch),
        audit=audit,
    )


def with_all_pools(config: RunConfig) -> RunConfig:
    """The same with a window of 128, and eight states with their snapshots for each request."""
    tokens, batch = config.pool.tokens, config.scheduler.max_running
    swa, mamba = SwaConfig(tokens=tokens, window=128), MambaConfig(slots=8 * batch, strategy="extra_buffer")
    return replace(config, pool=replace(config.pool, swa=swa, mamba=mamba))


def per_iteration(
    config: RunConfig,
    batch: int,
    iterations: int,
    *,
    out: Path | None = None,
    sessions: int = 0,
    notice: Callable[[int], None] | None = None,
    timer: Callable[[], float] = time.process_time,
) -> float:
    """Seconds (of processor time) that an iteration takes once the batch is full."""
    marks: list[float] = []

    def on_notice(_event: int, _now: float) -> None:
        marks.append(timer())
        if notice is not None:
            notice(len(marks))

    identity = Identity(scenario="bench", variant="steady", release=DEFAULT_RELEASE)
    with Stage(identity, config, out) as stage:
        until = Until(iterations=iterations + NOTICE + 1)
        clock = Clock(stage.driver, stage.config, until=until, notice=on_notice)
        for index in range(sessions):
            clock.post(Open(session=f"idle-{index}", timeout=1e9))
        _Clients(clock).start(batch)
        clock.run()
    return (marks[-1] - marks[1]) / (NOTICE * (len(marks) - 2))


class _Clients:
    """Requests that follow each other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent = 0

    def start(self, count: int) -> None:
        """Send the first requests."""
        for _ in range(count):
            self._send()

    def _send(self) -> None:
        self._sent += 1
        rid = f"r{self._sent}"
        output = SHORTEST + self._sent * 641 % SPREAD
        request = Request(rid=rid, prompt=(Segment(name=rid, length=PROMPT),), max_new=output)
        self._clock.post(Submit(what=request), lambda _rid, _delay: self._send())


def recorded(out: Path, operations: int, audit: Audit = "off") -> Path:
    """The ops.jsonl of a run of so many operations: requests that come and go, on pages, with sessions between them."""
    pool = PoolConfig(tokens=16 * CONTEXT, page_size=16, rows=64, context=CONTEXT)
    config = replace(steady(16), audit=audit, pool=pool)
    identity = Identity(scenario="bench", variant="recorded", release=DEFAULT_RELEASE)
    with Stage(identity, config, out) as stage:
        clock = Clock(stage.driver, stage.config, until=Until(iterations=operations))
        for index in range(32):
            clock.post(Open(session=f"s{index}", timeout=1e9))
        _Clients(clock).start(16)
        ending = clock.run()
        stage.end(ending)
        stage.conclude(ending)
    return out / "ops.jsonl"


def timeout_cost(count: int = 200_000) -> float:
    """Seconds of one bare SimPy timeout: the unit of the benchmarks."""

    def ticking(env: Environment) -> Generator[Timeout, None, None]:
        while True:
            yield env.timeout(1.0)

    env = Environment()
    env.process(ticking(env))
    start = time.process_time()
    env.run(until=count)
    return (time.process_time() - start) / count


def drawn_iteration(cases: int) -> float:
    """Seconds of one iteration of the fuzzer's cases, what it takes to draw them included."""
    from sim.fuzz.campaign import case_of
    from sim.fuzz.subject import Subject
    from sim.fuzz.trial import Player

    iterations = 0
    with Player(Subject()) as player:
        start = time.process_time()
        for seed in range(cases):
            case = case_of(seed, player.subject.release)
            iterations += player.play(case.config, case.actions, counted=True).iterations
        return (time.process_time() - start) / iterations


def unaudited(config: RunConfig) -> RunConfig:
    """The same run without checks."""
    return replace(config, audit="off")
