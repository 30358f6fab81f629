"""The configuration of a case: what its cell says, and the scheduler's rarer knobs drawn around it."""

from __future__ import annotations

from random import Random
from typing import Any

from sim.cases.flavour import Flavour
from sim.cases.matrix import Cell
from sim.cases.pools import draw_states, draw_window
from sim.config import PoolConfig, RunConfig, SchedulerConfig, SpeculativeConfig, TestRetractConfig

AMPLE = 640

_RARE: tuple[tuple[float, str, tuple[Any, ...]], ...] = (
    (0.35, "conservativeness", (0.3, 0.05, 0.05, 1.4)),
    (0.2, "retract_steps", (0, 2, 7)),
    (0.15, "clip_max_new_tokens", (1, 3, 8)),
    (0.15, "max_prefill_tokens", (16, 40)),
    (0.15, "max_queued", (1, 2, 3)),
    (0.12, "waiting_timeout", (0.1, 0.5, 1.5)),
    (0.12, "running_timeout", (0.1, 0.5, 1.5)),
    (0.2, "consecutive_prefill_overlap", (False,)),
    (0.05, "busy_check", (0,)),
    (0.06, "idle_check", ("raise",)),
    (0.06, "session_gate", (True,)),
)


def draw_config(cell: Cell, seed: int, flavour: Flavour, random: Random) -> RunConfig:
    """The configuration of one case."""
    running = random.choice([3, 4, 6] if flavour.pressure else [1, 2, 3, 4, 6])
    speculative = _speculative(cell, random) if cell.speculative else None
    knobs: dict[str, Any] = {
        "max_running": running, "chunked_prefill": _chunk(cell, random), "overlap": cell.overlap,
        "speculative": speculative, "mixed_chunk": cell.chunking == "mixed", "radix": cell.radix,
        "session_gate": False, **_order(cell, random), **_rare(random),
        "eviction": _eviction(cell, random),
    }  # fmt: skip
    if flavour.pressure:
        knobs["conservativeness"] = random.choice([0.05, 0.1, 0.3])
    tokens = _tokens(cell, random)
    context = random.choice([96, 160, 512])
    if cell.speculative:
        # A round reserves ahead of what may ever be kept; a row that is too short is another subject.
        context = tokens + 64
    rows = running + random.choice([0, 1, 4, 4, 8, 8])
    pool = PoolConfig(
        tokens=tokens, page_size=cell.page, rows=rows, context=context, swa=draw_window(cell, tokens, random),
        mamba=draw_states(cell, running, rows, speculative, random),
    )  # fmt: skip
    return RunConfig(pool=pool, scheduler=SchedulerConfig(**knobs), seed=seed)


def _tokens(cell: Cell, random: Random) -> int:
    if cell.size == "ample":
        return AMPLE
    tokens = random.choice([random.randint(56, 96), random.randint(128, 256)])
    return max(tokens, 112 if cell.page == 16 else 0) // cell.page * cell.page


def _chunk(cell: Cell, random: Random) -> int | None:
    if cell.chunking == "whole":
        return None
    return random.choice([5, 12, 16] if cell.page == 1 else [16, 16, 32])


def _speculative(cell: Cell, random: Random) -> SpeculativeConfig:
    shapes = [(3, 1, 4), (3, 1, 4), (1, 1, 2), (5, 1, 6)]
    if not cell.overlap and cell.page == 1:
        # A tree of drafts is what neither overlap nor pages allow.
        shapes.append((5, 4, 8))
    steps, topk, draft = random.choice(shapes)
    return SpeculativeConfig(steps=steps, topk=topk, draft=draft)


def _order(cell: Cell, random: Random) -> dict[str, Any]:
    draw = random.random()
    if draw < 0.35:
        return {"policy": random.choice(["lpm", "lpm", "lof", "dfs-weight", "random"])}
    if draw > 0.55:
        return {}
    # Preemption crashes the release's speculation without overlap: its draft state keeps the retracted request.
    preemption = random.random() < 0.7 and not (cell.speculative and not cell.overlap)
    return {
        "priority": True, "preemption": preemption, "low_priority_first": random.random() < 0.4,
        "preemption_threshold": random.choice([10, 2]), "policy": random.choice(["fcfs", "lof"]),
    }  # fmt: skip


def _eviction(cell: Cell, random: Random) -> str:
    if not cell.radix or random.random() < 0.4:
        return "lru"
    return random.choice(["lfu", "lfu", "slru", "slru", "priority", "fifo", "mru", "filo"])


def _rare(random: Random) -> dict[str, Any]:
    knobs = {name: random.choice(values) for odds, name, values in _RARE if random.random() < odds}
    if random.random() < 0.1:
        most = random.choice([1, 2, 1 << 31])
        knobs["test_retract"] = TestRetractConfig(interval=random.choice([2, 3, 5]), no_prefill_batch=most)
    return knobs
