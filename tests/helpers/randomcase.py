"""Random cases from a seed: a configuration, and a release, whole or with changes taken out or put in.

Every seed picks its own mix, with some operations switched off, so that rare combinations occur.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from policies.releases import compose
from sim.config import PoolConfig, RunConfig, SchedulerConfig, SpeculativeConfig, TestRetractConfig
from sim.engines.model import ModelEngine

AMPLE = 1024
VARIATIONS: tuple[dict[str, Any], ...] = (
    {"revert": (22753,)}, {"revert": (22790,)}, {"revert": (22862,)}, {"revert": (22897,)}, {"revert": (22651,)},
    {"revert": (22753,), "add": (22213,)}, {"revert": (22862, 21875)}, {"revert": (22790, 22273)},
    {"release": "sglang-0.5.10", "add": (22753,)}, {"release": "sglang-0.5.10", "add": (22862,)},
    {"release": "sglang-0.5.10", "add": (22790, 22273)}, {"release": "sglang-0.5.10", "add": (22213,)},
    {"release": "sglang-0.5.10", "add": (21875,)}, {"release": "sglang-0.5.10", "add": (22897,)},
    {"decide": {"history": "at-create"}}, {"decide": {"abort": "save"}}, {"decide": {"flags": "unmarked"}},
    {"decide": {"preabort": "restore"}}, {"decide": {"closing": "immediate"}},
)  # fmt: skip


@dataclass
class Case:
    """What a random run starts from."""

    seed: int
    config: RunConfig
    release: dict[str, Any]
    weights: dict[str, float]
    most_live: int
    outputs: tuple[int, ...]
    calm: bool

    def engine(self) -> ModelEngine:
        """A fresh engine of this case."""
        made = {"release": "sglang-0.5.11", **self.release}
        return ModelEngine(self.config, compose(made.pop("release"), **made))


def draw_case(seed: int, *, calm: bool = False, release: dict[str, Any] | None = None) -> Case:
    """The case of this seed; a calm one stays clear of the faults that 0.5.11 still has.

    These are: two turns of a session at once; a turn aborted in the queue, or aborted and retracted; a named pause that
    hits while a prompt is split; a one-token first turn retracted before its first token; requests that ignore EOS
    where the cache is off; and in small pools a forced step without room, or an over-long prompt, whose negative output
    length makes room that is not there.
    """
    random = Random(f"case {seed} {calm}")
    if release is None:
        release = {} if calm else _release(random)
    pool, knobs = _sizes(random, calm)
    weights = {
        "step": random.choice([12, 24]), "turn": 10, "plain": 6, "open": 2, "abort": 2, "close": 1, "expire": 1,
        "pause": 1, "pause some": 1.5, "memory": 1.5, "refuse": 1.5, "reap": 2, "overlong": 0.7, "second": 1,
    }  # fmt: skip
    for name in weights:
        if name not in ("step", "turn", "plain", "open") and random.random() < 0.35:
            weights[name] = 0
    if calm:
        weights["second"] = 0
        knobs = replace(knobs, max_queued=None, waiting_timeout=None, running_timeout=None)
        if pool.tokens < AMPLE:
            weights["memory"] = weights["overlong"] = 0
    outputs = (1, 1, 2, 3, 5, 8, 13, 30) if random.random() < 0.3 else (1, 1, 2, 3, 4, 6, 9)
    config = RunConfig(pool=pool, scheduler=knobs, seed=seed, audit="event")
    return Case(seed, config, release, weights, random.choice([2, 4, 6, 10]), outputs, calm)


def _release(random: Random) -> dict[str, Any]:
    draw = random.random()
    if draw < 0.25:
        return {}
    return {"release": "sglang-0.5.10"} if draw < 0.5 else random.choice(VARIATIONS)


def _sizes(random: Random, calm: bool) -> tuple[PoolConfig, SchedulerConfig]:
    page = random.choice([1, 1, 4, 16])
    overlap = random.random() < 0.6
    speculative = None
    if random.random() < 0.35:
        steps, topk, draft = random.choice([(3, 1, 4), (3, 1, 4), (1, 1, 2), (5, 4, 8)])
        # Under overlap the tree of drafts is what v2 cannot do.
        topk = 1 if overlap else topk
        speculative = SpeculativeConfig(steps=steps, topk=topk, draft=draft if topk > 1 else steps + 1)
    chunk = random.choice([None, None, 16, 32] if page > 1 else [None, None, 5, 16])
    size = random.choice(["tiny", "small", "ample"])
    tokens = {"tiny": random.randint(56, 96), "small": random.randint(128, 256), "ample": AMPLE}[size]
    if page == 16:
        tokens = max(tokens, 112)
    running = random.choice([1, 2, 3, 4, 6])
    knobs: dict[str, Any] = {
        "max_running": running, "chunked_prefill": chunk, "overlap": overlap, "speculative": speculative,
        "mixed_chunk": chunk is not None and speculative is None and random.random() < 0.5,
        "radix": random.random() < 0.8, "session_gate": False, **_order(random), **_odds(random, calm),
    }  # fmt: skip
    rows = running + random.choice([4, 8]) if calm else running + random.choice([0, 1, 4, 8])
    pool = PoolConfig(tokens=tokens // page * page, page_size=page, rows=rows, context=random.choice([96, 160, 512]))
    return pool, SchedulerConfig(**knobs)


def _order(random: Random) -> dict[str, Any]:
    draw = random.random()
    if draw < 0.4:
        return {"policy": random.choice(["lpm", "lof", "dfs-weight", "random", "fcfs"])}
    if draw < 0.6:
        return {
            "priority": True, "preemption": random.random() < 0.7, "low_priority_first": random.random() < 0.4,
            "preemption_threshold": random.choice([10, 2]), "policy": random.choice(["fcfs", "lof"]),
        }  # fmt: skip
    return {}


def _odds(random: Random, calm: bool) -> dict[str, Any]:
    """Knobs that few servers turn."""
    knobs: dict[str, Any] = {}
    rare: list[tuple[float, str, list[Any]]] = [
        (0.2, "conservativeness", [0.3, 0.05, 1.4]), (0.2, "retract_steps", [0, 2, 7]),
        (0.15, "clip_max_new_tokens", [1, 3, 8]), (0.15, "max_prefill_tokens", [16, 40]),
        (0.1, "max_queued", [1, 2, 3]), (0.1, "waiting_timeout", [0.5, 1.5]), (0.1, "running_timeout", [0.5, 1.5]),
        (0.2, "consecutive_prefill_overlap", [False]), (0.1, "busy_check", [0]),
        (0.2, "eviction", ["lfu", "fifo", "mru", "filo", "priority", "slru"]),
        (0.1, "test_retract", [TestRetractConfig(interval=i) for i in (2, 3, 5)]),
    ]  # fmt: skip
    for odds, name, values in rare:
        if random.random() < odds:
            knobs[name] = random.choice(values)
    return knobs
