"""Tensors through NumPy views and tensors as they are: the same run, to the last index of the free list."""

from __future__ import annotations

import pytest

from policies.releases import compose
from sim.config import PoolConfig, RunConfig, SchedulerConfig, SpeculativeConfig
from sim.engines.model import ModelEngine
from sim.engines.protocol import Request
from sim.ledger.auditor import Auditor
from sim.world import Segment


def _trace(device, release, page_size, speculative, chunk):
    config = RunConfig(
        device=device,
        audit="event",
        pool=PoolConfig(tokens=768, page_size=page_size, rows=8, context=256),
        scheduler=SchedulerConfig(
            max_running=4, chunked_prefill=chunk, speculative=speculative, session_gate=False
        ),
    )
    engine = ModelEngine(config, compose(release))
    auditor = Auditor(engine)
    memory = engine.scheduler.memory
    seen = []

    def event(kind, operation):
        auditor.begin(len(seen) + 1, 0.0, kind)
        operation()
        verdicts = [verdict.to_json() for verdict in auditor.end()]
        free = memory.backend.get(memory.allocator.free_list.view()).tolist()
        seen.append((kind, engine.snapshot(), verdicts, free))

    def submit(rid, length, output, session=None):
        prompt = (Segment(name=rid, length=length),)
        request = Request(rid=rid, prompt=prompt, max_new=output, session=session, accept=(2,))
        event("submit", lambda: engine.submit(request))

    event("open", lambda: engine.open("a"))
    for turn in range(3):
        submit(f"a/{turn}", 18, 8, "a")
        submit(f"x{turn}", 30, 12)
        submit(f"y{turn}", 30, 9)
        for _ in range(4):
            event("step", engine.step)
        event("retract", lambda: engine.retract(None, "pause"))
        while not engine.idle:
            event("step", engine.step)
    return seen


@pytest.mark.parametrize("release", ["sglang-0.5.10", "sglang-0.5.11"])
@pytest.mark.parametrize("page_size", [1, 4])
@pytest.mark.parametrize("speculative", [None, SpeculativeConfig()], ids=["plain", "speculative"])
@pytest.mark.parametrize("chunk", [None, 16])
def test_a_run_is_the_same_through_numpy_views_and_through_torch(release, page_size, speculative, chunk):
    views = _trace("cpu", release, page_size, speculative, chunk)
    tensors = _trace("torch:cpu", release, page_size, speculative, chunk)
    assert views == tensors
    assert len(views) > 40
