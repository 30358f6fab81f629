"""Knobs of the scheduler that are each fine and do not go together, or not with the pools."""

from __future__ import annotations

from collections.abc import Iterator

from sim.config import RunConfig
from sim.scenario.errors import ScenarioError
from sim.scenario.places import Node
from sim.scenario.poollimits import multiples


def size_problems(config: RunConfig, node: Node) -> Iterator[ScenarioError]:
    """Chunks that are no whole pages, more running than rows."""
    pool, scheduler = config.pool, config.scheduler
    page, chunk = pool.page_size, scheduler.chunked_prefill
    if chunk is not None and chunk % page:
        what = f"page_size {page} does not divide chunked_prefill {chunk}"
        advice = multiples("chunked_prefill", chunk, page, 1)
        yield ScenarioError(node.place_of("scheduler", "chunked_prefill"), what, advice)
    if scheduler.max_running > pool.rows:
        what = f"max_running {scheduler.max_running} is more than the {pool.rows} rows of the pool"
        advice = f"write `max_running: {pool.rows}` or `rows: {scheduler.max_running}`"
        yield ScenarioError(node.place_of("scheduler", "max_running"), what, advice)


def scheduler_problems(
    config: RunConfig, node: Node, *, release: str, gated: bool, sessions: bool
) -> Iterator[ScenarioError]:
    """Knobs that a release refuses together."""
    scheduler = config.scheduler
    if scheduler.mixed_chunk and scheduler.chunked_prefill is None:
        place = node.place_of("scheduler", "mixed_chunk")
        yield ScenarioError(place, "mixed_chunk needs chunks", "add `chunked_prefill: 512`, or leave it out")
    for knob in ("preemption", "low_priority_first"):
        if getattr(scheduler, knob) and not scheduler.priority:
            place = node.place_of("scheduler", knob)
            yield ScenarioError(
                place, f"{knob} needs priority scheduling", "add `priority: true`, or leave it out"
            )
    spec, mamba = scheduler.speculative, config.pool.mamba
    if spec is None:
        return
    if mamba is not None and mamba.strategy == "no_buffer" and scheduler.radix:
        what = "no_buffer with the prefix tree does not go together with speculation"
        advice = "write `strategy: extra_buffer` or `radix: false`"
        yield ScenarioError(node.place_of("pool", "mamba", "strategy"), what, advice)
    if spec.topk > 1 and scheduler.overlap:
        place = node.place_of("scheduler", "speculative", "topk")
        what = f"speculation with topk {spec.topk} does not run under overlap"
        yield ScenarioError(place, what, "write `topk: 1` or `overlap: false`")
    if spec.topk > 1 and config.pool.page_size > 1:
        place = node.place_of("scheduler", "speculative", "topk")
        what = f"speculation with topk {spec.topk} is not modelled with pages of {config.pool.page_size}"
        yield ScenarioError(place, what, "write `topk: 1` or `page_size: 1`")
    if spec.topk == 1 and spec.draft != spec.steps + 1:
        place = node.place_of("scheduler", "speculative", "draft")
        what = f"with topk 1 a round verifies steps + 1 = {spec.steps + 1} tokens, not {spec.draft}"
        yield ScenarioError(
            place, what, f"write `draft: {spec.steps + 1}` or `steps: {max(1, spec.draft - 1)}`"
        )
    if scheduler.preemption and not scheduler.overlap:
        place = node.place_of("scheduler", "preemption")
        what = "preemption and speculation without overlap make the release raise on its own draft state"
        yield ScenarioError(place, what, "write `preemption: false` or `overlap: true`")
    if gated and scheduler.session_gate and sessions and scheduler.overlap:
        place = node.place_of("scheduler", "speculative")
        what = f"{release} refuses to start with streaming sessions, speculation and overlap together"
        yield ScenarioError(place, what, "write `session_gate: false` or `overlap: false`")
