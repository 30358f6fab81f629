"""One random run on several devices: what it writes down, and what its tensors hold at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from helpers.randomcase import Case, draw_case
from helpers.randomrun import Action, Player, Run

from sim.config import MambaConfig, PoolConfig, SchedulerConfig, SwaConfig
from sim.driver import Driver
from sim.memory.devices import Twin
from sim.record import Recorder
from sim.scheduler.core import Scheduler

KINDS = ("full", "swa", "mamba", "both")


def device_case(seed: int, *, calm: bool = False, kind: str = "full", audit: Any = None) -> Case:
    """The random case of this seed, with the pools of this kind of model."""
    case, random = draw_case(seed, calm=calm), Random(f"device {seed}")
    pool, knobs = case.config.pool, case.config.scheduler
    if kind in ("swa", "both"):
        pool, knobs = _windowed(random, pool, knobs)
    if kind in ("mamba", "both"):
        pool, knobs = _recurrent(random, pool, knobs)
    audit = audit or random.choice(["idle", "step", "event"])
    return replace(case, config=replace(case.config, pool=pool, scheduler=knobs, audit=audit))


def _windowed(random: Random, pool: PoolConfig, knobs: SchedulerConfig) -> tuple[PoolConfig, SchedulerConfig]:
    page = pool.page_size
    tokens = max(pool.tokens, 160) // page * page
    swa = SwaConfig(
        tokens=int(tokens * random.choice([0.5, 0.8, 1.0])) // page * page, window=random.choice([4, 8, 16]) + page,
        eviction_multiplier=random.choice([1.0, 0.25]),
    )  # fmt: skip
    return replace(pool, tokens=tokens, swa=swa), replace(knobs, eviction="lru", policy="fcfs")


def _recurrent(random: Random, pool: PoolConfig, knobs: SchedulerConfig) -> tuple[PoolConfig, SchedulerConfig]:
    strategy: Any = random.choice(["no_buffer", "extra_buffer"])
    mamba = MambaConfig(
        slots=random.randint(3, 8) * knobs.max_running, strategy=strategy, track_interval=16, chunk=16
    )
    if strategy == "no_buffer":
        pool = replace(pool, page_size=1)
        knobs = replace(knobs, overlap=False, speculative=None)
    return replace(pool, mamba=mamba), replace(knobs, eviction="lru", policy="fcfs")


class Logged:
    """A player whose driver writes everything down."""

    def __init__(self, case: Case, folder: Path, device: str, *, audited: bool = True) -> None:
        case = replace(case, config=replace(case.config, device=device))
        self.folder = folder
        self.player = Player(case)
        self.recorder = Recorder(folder, {}, case.config.pool.sizes)
        if not audited:
            self.player.auditor.finish = lambda: None  # type: ignore[method-assign]
        auditor = self.player.auditor if audited else None
        self.player.driver = Driver(self.player.engine, auditor, self.recorder)

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler of the run."""
        return self.player.engine.scheduler

    def improvise(self, length: int) -> Run:
        """Draw operations while looking at the engine."""
        return self._closed(self.player.improvise(length))

    def play(self, actions: Iterable[Action]) -> Run:
        """These actions."""
        return self._closed(self.player.play(actions))

    def _closed(self, run: Run) -> Run:
        self.recorder.close()
        return run

    @property
    def events(self) -> bytes:
        """events.jsonl."""
        return (self.folder / "events.jsonl").read_bytes()


def twins(scheduler: Scheduler) -> list[Twin]:
    """Every array that lies on the host and on the device."""
    memory = scheduler.memory
    lists = list(memory.free_lists)
    found: list[Twin] = [memory.rows.array, *(free._buffer for free in lists)]
    if memory.swa is not None:
        found.append(memory.swa.mapping)
    if memory.states is not None:
        found.append(memory.states.free_list._buffer)
    return found
