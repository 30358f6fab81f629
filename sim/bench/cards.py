"""Models that fill a real card: pools sized from the memory that is there, as a server would size them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from policies.releases import DEFAULT_RELEASE, compose
from sim.bench.cases import Figure
from sim.config import MambaConfig, PoolConfig, RunConfig, SchedulerConfig, SwaConfig
from sim.engines.model import ModelEngine
from sim.engines.protocol import Request
from sim.ledger.auditor import Auditor
from sim.memory.presets import PRESETS
from sim.scheduler.memory import Memory
from sim.world import Segment

MODELS = ("llama-3-8b", "gpt-oss-20b", "qwen3-next-80b-a3b")
SHARE = 0.85
"""Of the free memory: the rest is for tags, rows and what a recount needs."""
BATCH, PROMPT, STEPS = 32, 2048, 200


def sized(model: str, budget: int) -> PoolConfig:
    """The pools of a model that fit into so many bytes."""
    preset = PRESETS[model]
    slots, left = preset.states(budget) if "mamba" in preset.kinds else (0, budget)
    tokens, windowed = preset.split(left)
    return PoolConfig(
        tokens=tokens, rows=2 * BATCH, context=2 * PROMPT, model=model,
        swa=SwaConfig(tokens=windowed, window=preset.window or 128) if windowed else None,
        mamba=MambaConfig(slots=slots) if slots else None,
    )  # fmt: skip


def nbytes(memory: Memory) -> int:
    """Bytes of KV and states."""
    taken = memory.kv.nbytes
    if memory.swa is not None:
        taken += memory.swa.kv.nbytes
    return taken + (0 if memory.states is None else memory.states.nbytes)


def presets(device: str, budget: int | None = None) -> Iterator[Figure]:
    """Fill the card with each model's pools and let requests run in them: what was asked for, against what it took."""
    for model in MODELS:
        asked = budget or int(torch.cuda.mem_get_info()[0] * SHARE)
        config = sized(model, asked)
        # Every request may hold a state, and one of the tree's while it is copied.
        batch = BATCH if config.mamba is None else min(BATCH, config.mamba.slots // 3)
        knobs = SchedulerConfig(max_running=batch, overlap=config.mamba is None)
        engine = ModelEngine(RunConfig(pool=config, scheduler=knobs, device=device), compose(DEFAULT_RELEASE))
        took = nbytes(engine.scheduler.memory)
        each = _run(engine, batch)
        sizes = ", ".join(f"{size:,} {pool}" for pool, size in config.sizes.items())
        yield Figure(
            name=f"{model}: memory taken / asked for", ratio=took / asked, bound=1.02,
            note=f"{took / 2**30:.1f} GiB: {sizes}; {each * 1e6:.0f} µs an iteration",
        )  # fmt: skip
        del engine


def _run(engine: ModelEngine, batch: int) -> float:
    """Seconds of an iteration with checks at every event."""
    auditor = Auditor(engine)
    for number in range(batch):
        prompt = (Segment(name=f"r{number}", length=min(PROMPT, engine.config.pool.tokens // (2 * batch))),)
        engine.submit(Request(rid=f"r{number}", prompt=prompt, max_new=STEPS))
    start = time.perf_counter()
    for event in range(STEPS):
        auditor.begin(event + 1, 0.0, "step")
        engine.step()
        auditor.end()
    took = (time.perf_counter() - start) / STEPS
    auditor.finish()
    assert auditor.verdicts == [], "a run that fills a card is not clean"
    return took
