"""Many seeds on many targets: jobs of their own, each with one model and one worker at a time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from sim.cases.matrix import KINDS, Pools, cell_of
from sim.conform.pairs import Pair, Verdict, start_real
from sim.conform.sides import Real
from sim.conform.targets import Target
from sim.engines.sglang.source import Source

# Starting a worker costs as much as fifty cases: a batch should be longer than that.
BATCH = 240
_SHRUNK = 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run: `cases` on each target, or rounds of them until the time is up."""

    targets: tuple[Target, ...]
    sources: dict[str, Source]
    first_seed: int
    cases: int
    minutes: float | None
    jobs: int
    out: Path
    pools: tuple[Pools, ...] = KINDS


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some seeds on one target."""

    target: Target
    source: Source
    seeds: tuple[int, ...]
    out: Path
    pools: tuple[Pools, ...] = KINDS


def batches(plan: Plan) -> Iterator[Batch]:
    """All of them; without end where time decides."""
    start = plan.first_seed
    while True:
        for target in plan.targets:
            known = _seeds(plan, target, start)
            for at in range(0, len(known), BATCH):
                yield Batch(
                    target=target, source=plan.sources[target.version], seeds=tuple(known[at : at + BATCH]),
                    out=plan.out, pools=plan.pools,
                )  # fmt: skip
        if plan.minutes is None:
            return
        start += plan.cases


def _seeds(plan: Plan, target: Target, start: int) -> list[int]:
    """What a fix of one kind of pools does shows there only; which cell a seed has is no question of the target."""
    seeds = range(start, start + plan.cases)
    return [seed for seed in seeds if cell_of(seed, plan.pools).pools in target.pools]


def total(plan: Plan) -> int:
    """Cases of one round."""
    return sum(len(_seeds(plan, target, plan.first_seed)) for target in plan.targets)


def run(plan: Plan) -> Iterator[tuple[Target, list[Verdict]]]:
    """What each batch came to, as it comes; no new batch begins once the time is up."""
    end = None if plan.minutes is None else monotonic() + 60 * plan.minutes
    todo = batches(plan)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(plan.jobs, mp_context=context, initializer=_one_thread) as pool:
        running: dict[Future[list[Verdict]], Target] = {}
        more = True
        while more or running:
            while more and len(running) < plan.jobs:
                batch = None if end is not None and monotonic() > end else next(todo, None)
                if batch is None:
                    more = False
                    break
                running[pool.submit(work, batch)] = batch.target
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


_kept: list[tuple[tuple[Target, Source], Pair, Real]] = []


def pair_of(target: Target, source: Source) -> Pair:
    """The pair of this process; a job keeps one, and ends it when the target changes."""
    if _kept and _kept[0][0] == (target, source):
        return _kept[0][1]
    if _kept:
        _kept.pop()[2].end()
    real = start_real(target, source)
    pair = Pair(target, real)
    _kept.append(((target, source), pair, real))
    return pair


def work(batch: Batch) -> list[Verdict]:
    """Play one batch; the first differences of it are made small, the others only named."""
    pair = pair_of(batch.target, batch.source)
    verdicts: list[Verdict] = []
    shrunk = 0
    for seed in batch.seeds:
        verdict = pair.judge(seed, batch.out, seconds=60.0 if shrunk < _SHRUNK else 0.0, pools=batch.pools)
        shrunk += verdict.difference is not None
        verdicts.append(verdict)
    return verdicts
