"""Settings that are each fine and do not go together, or not on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from sim.config import RunConfig
from sim.memory.presets import PRESETS
from sim.scenario.errors import ScenarioError, choose
from sim.scenario.places import Node
from sim.scenario.poollimits import pool_problems
from sim.scenario.pools import SMALLEST_POOL
from sim.scenario.sizes import memory_needed, spell_bytes


def size_problems(config: RunConfig, node: Node, memory: int) -> Iterator[ScenarioError]:
    """Pages that do not divide, more running than rows, more memory than there is."""
    pool, scheduler = config.pool, config.scheduler
    page = pool.page_size
    if pool.tokens % page:
        what = f"page_size {page} does not divide the {pool.tokens} tokens of the pool"
        yield ScenarioError(
            node.place_of("pool", "page_size"), what, _multiples("tokens", pool.tokens, page, SMALLEST_POOL)
        )
    chunk = scheduler.chunked_prefill
    if chunk is not None and chunk % page:
        what = f"page_size {page} does not divide chunked_prefill {chunk}"
        yield ScenarioError(
            node.place_of("scheduler", "chunked_prefill"), what, _multiples("chunked_prefill", chunk, page, 1)
        )
    if scheduler.max_running > pool.rows:
        what = f"max_running {scheduler.max_running} is more than the {pool.rows} rows of the pool"
        advice = f"write `max_running: {pool.rows}` or `rows: {scheduler.max_running}`"
        yield ScenarioError(node.place_of("scheduler", "max_running"), what, advice)
    if pool.model not in PRESETS:
        yield ScenarioError(
            node.place_of("model"), f"there is no model preset `{pool.model}`", choose(pool.model, PRESETS)
        )
        return
    yield from pool_problems(config, node)
    if memory_needed(config) > memory:
        needed, there_is = spell_bytes(memory_needed(config)), spell_bytes(memory)
        what = f"this needs about {needed} of memory, the machine has {there_is}"
        yield ScenarioError(
            node.place_of("pool", "tokens"),
            what,
            "write fewer tokens or rows, a shorter context, or a smaller model",
        )


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
    spec = scheduler.speculative
    if spec is None:
        return
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


def _multiples(name: str, value: int, page: int, smallest: int) -> str:
    below, above = value // page * page, (value // page + 1) * page
    return (
        f"write `{name}: {below}` or `{name}: {above}`" if below >= smallest else f"write `{name}: {above}`"
    )
