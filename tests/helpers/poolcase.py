"""Random cases with more pools than one: a windowed pool, recurrent states with either strategy, or both.

The case is an ordinary one, bent to what such a model allows: pages, overlap, speculation, the tree's order.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from helpers.randomcase import AMPLE, Case, draw_case

from sim.config import MambaConfig, PoolConfig, SchedulerConfig, SwaConfig

KINDS = ("swa", "no_buffer", "extra_buffer", "both")
ON_10: dict[str, Any] = {"release": "sglang-0.5.10"}
POOL_VARIATIONS: tuple[dict[str, Any], ...] = (
    {"revert": (22900,)}, {"revert": (22900,), "decide": {"clock": "reserved"}}, {"decide": {"clock": "reserved"}},
    {"decide": {"clock": "committed"}}, {"revert": (23327,)}, {"revert": (23496,)}, {"revert": (21404, 23327)},
    {"revert": (22862,)}, {"revert": (22753,)}, {"revert": (22790,)}, {"revert": (22790, 22273)},
    {**ON_10, "add": (23496,)}, {**ON_10, "add": (23327,)}, {**ON_10, "add": (22862,)}, {**ON_10, "revert": (21404,)},
)  # fmt: skip


def draw_pools(seed: int, kind: str | None = None, *, calm: bool = False) -> Case:
    """The case of this seed, with pools of this kind (default: the seed's).

    A calm one stays clear of the faults that 0.5.11 still has; see `draw_case`. With states these are more. A state
    cannot be rolled back: a turn of a session that is retracted under overlap goes on below its own. The states of a
    first turn that is aborted, or refused on arrival, are lost. A mixed pass keeps no snapshot where it says it does.
    The tree of a windowed model knows no states: what it shares cannot be continued from. And a chunk that finds no
    windowed room is parked, and what its row said before is taken for the prompt's.
    """
    random = Random(f"pools {seed} {calm}")
    kind = KINDS[seed % len(KINDS)] if kind is None else kind
    case = draw_case(seed, calm=calm, release={} if calm else None)
    pool, knobs = _bent(random, kind, case.config.pool, case.config.scheduler, calm=calm)
    weights = dict(case.weights)
    if calm and kind != "swa":
        for name in ("abort", "pause", "pause some", "memory", "overlong"):
            weights[name] = 0
    release = case.release
    if not calm and random.random() < 0.6:
        release = random.choice(POOL_VARIATIONS)
    return replace(
        case, config=replace(case.config, pool=pool, scheduler=knobs), release=release, weights=weights
    )


def _bent(
    random: Random, kind: str, pool: PoolConfig, knobs: SchedulerConfig, *, calm: bool
) -> tuple[PoolConfig, SchedulerConfig]:
    knobs = replace(knobs, eviction="lru")
    if calm and kind != "swa":
        knobs = replace(knobs, test_retract=None, preemption=False, mixed_chunk=False, radix=kind != "both")
        pool = replace(pool, tokens=AMPLE)
    if calm and kind == "swa" and pool.tokens < AMPLE:
        knobs = replace(knobs, chunked_prefill=None, mixed_chunk=False)
    if kind in ("swa", "both"):
        pool = replace(pool, swa=_windowed(random, pool))
    if kind == "swa":
        return pool, knobs
    states = {"both": "no_buffer"}.get(kind, kind)
    if states == "no_buffer" and knobs.radix:
        pool = replace(pool, page_size=1)
        knobs = replace(knobs, overlap=False, speculative=None)
    elif states == "extra_buffer":
        knobs = replace(knobs, radix=True)
    if knobs.speculative is not None and (calm or knobs.speculative.topk > 1):
        knobs = replace(knobs, speculative=None)
    page = pool.page_size
    each = 1 if not knobs.radix else 3 if states == "no_buffer" else 4 + knobs.overlap
    slots = random.choice([each * knobs.max_running, 5 * pool.rows, 40] if not calm else [6 * pool.rows + 8])
    mamba = MambaConfig(
        slots=slots, strategy=states, track_interval=random.choice([8, 16, 32]) if page < 16 else 32,
        chunk=max(page, random.choice([4, 8, 16])),
    )  # fmt: skip
    return replace(pool, mamba=mamba), knobs


def _windowed(random: Random, pool: PoolConfig) -> SwaConfig:
    page = pool.page_size
    ratio = random.choice([0.5, 0.8, 0.8, 1.0]) if pool.tokens < AMPLE else 0.8
    return SwaConfig(
        tokens=max(page * 4, int(pool.tokens * ratio) // page * page), window=random.choice([4, 8, 16, 16]),
        eviction_multiplier=random.choice([0.5, 1.0, 2.0]),
    )
