"""Windowed pools and recurrent states that a release refuses, or that a model has no layers for."""

from __future__ import annotations

from collections.abc import Iterator

from sim.config import MambaConfig, PoolConfig, RunConfig, SwaConfig
from sim.memory.presets import PRESETS
from sim.scenario.errors import Place, ScenarioError
from sim.scenario.model import Expect
from sim.scenario.places import Node
from sim.scenario.pools import SMALLEST_POOL, overlap_goes

_LAYERS = {"swa": "windowed", "mamba": "recurrent"}
_EXAMPLES = {"swa": "{ratio: 0.8, window: 128}", "mamba": "{slots: 30}"}
_ANY = PoolConfig(tokens=SMALLEST_POOL).model
"""The preset that is no model: it has the layers that it is given pools for."""


def pool_problems(config: RunConfig, node: Node) -> Iterator[ScenarioError]:
    """What is wrong with the pools beside the full one."""
    pool = config.pool
    for name in pool.names[1:]:
        if name not in PRESETS[pool.model].kinds:
            having = [preset.name for preset in PRESETS.values() if name in preset.kinds]
            what = f"{pool.model} has no {_LAYERS[name]} layers"
            advice = f"leave `{name}` out, or write a model that has some: {', '.join(having)}"
            yield ScenarioError(node.place_of("pool", name), what, advice)
    for name in PRESETS[pool.model].kinds[1:]:
        if pool.model != _ANY and name not in pool.names:
            what = f"{pool.model} has {_LAYERS[name]} layers, and there is no pool for them"
            yield ScenarioError(node.place_of("model"), what, f"add `{name}: {_EXAMPLES[name]}` to `pool`")
    if pool.swa is not None:
        yield from _swa_problems(pool.swa, pool.tokens, pool.page_size, node)
    if pool.mamba is not None:
        yield from _mamba_problems(pool.mamba, config, node)


def expected_pool_problems(expect: Expect, pool: PoolConfig) -> Iterator[ScenarioError]:
    """Expectations about a pool that the run does not have."""
    lacking = [name for name in _LAYERS if name not in pool.names]
    for entry in expect.verdicts:
        if entry.pool in lacking:
            yield _lacks(entry.pool, entry.place)
    for point in expect.points:
        for name in lacking:
            if getattr(point, name):
                yield _lacks(name, point.place)


def _lacks(name: str, place: Place) -> ScenarioError:
    return ScenarioError(place, f"this variant has no pool `{name}`", f"leave it out, or add `{name}` to its `pool`")


def _swa_problems(swa: SwaConfig, tokens: int, page: int, node: Node) -> Iterator[ScenarioError]:
    written = node.find("pool", "swa")
    if written is not None and all(_given(written, key) for key in ("tokens", "ratio")):
        what = "`tokens` and `ratio` both say how large the windowed pool is"
        yield ScenarioError(node.place_of("pool", "swa", "ratio"), what, "leave one of the two out")
        return
    place = node.place_of("pool", "swa", "tokens")
    if swa.tokens > tokens:
        what = f"the windowed pool has {swa.tokens} tokens, the full pool only {tokens}"
        yield ScenarioError(place, what, f"write `tokens: {tokens}` or fewer")
    elif swa.tokens % page:
        below, above = swa.tokens // page * page, (swa.tokens // page + 1) * page
        names = [f"`tokens: {each}`" for each in (below, above) if SMALLEST_POOL <= each <= tokens]
        what = f"page_size {page} does not divide the {swa.tokens} tokens of the windowed pool"
        yield ScenarioError(place, what, f"write {' or '.join(names) or 'a smaller page_size'}")
    elif swa.tokens < max(SMALLEST_POOL, page):
        what = f"the windowed pool has only {swa.tokens} tokens"
        yield ScenarioError(
            node.place_of("pool", "swa", "ratio"), what, "write a larger `ratio`, or more `tokens` for the full pool"
        )


def _given(node: Node, key: str) -> bool:
    value = node.find(key)
    return value is not None and value.value is not None


def _mamba_problems(mamba: MambaConfig, config: RunConfig, node: Node) -> Iterator[ScenarioError]:
    scheduler, page = config.scheduler, config.pool.page_size
    strategy = node.place_of("pool", "mamba", "strategy")
    spec = scheduler.speculative
    if mamba.strategy == "no_buffer":
        if not scheduler.radix:
            if page > 1 and scheduler.chunked_prefill is None and config.pool.swa is None:
                what = f"no_buffer without chunks keeps states of single tokens, not of pages of {page}"
                advice = "write `page_size: 1`, or `chunked_prefill: 512` in `scheduler`"
                yield ScenarioError(node.place_of("pool", "page_size"), what, advice)
            return
        if page > 1:
            what = f"no_buffer with the prefix tree keeps states of single tokens, not of pages of {page}"
            advice = "write `page_size: 1` or `strategy: extra_buffer`"
            yield ScenarioError(node.place_of("pool", "page_size"), what, advice)
        if spec is not None:
            what = "no_buffer with the prefix tree does not go together with speculation"
            yield ScenarioError(strategy, what, "write `strategy: extra_buffer` or `radix: false`")
        overlap = node.find("scheduler", "overlap")
        if overlap is not None and overlap.value and overlap_goes(mamba, scheduler.radix, spec is not None):
            what = "no_buffer with the prefix tree switches overlap off"
            yield ScenarioError(overlap.place, what, "write `overlap: false`, or `strategy: extra_buffer`")
        return
    if not scheduler.radix:
        what = "extra_buffer keeps states for the prefix tree, and there is none"
        yield ScenarioError(strategy, what, "write `strategy: no_buffer` or `radix: true`")
    if mamba.track_interval % page:
        what = f"page_size {page} does not divide track_interval {mamba.track_interval}"
        advice = f"write `track_interval: {(mamba.track_interval // page + 1) * page}`"
        yield ScenarioError(node.place_of("pool", "mamba", "track_interval"), what, advice)
    if spec is not None and mamba.track_interval < spec.draft:
        what = f"track_interval {mamba.track_interval} is less than the {spec.draft} drafts of a round"
        advice = f"write `track_interval: {spec.draft}` or more"
        yield ScenarioError(node.place_of("pool", "mamba", "track_interval"), what, advice)
    if mamba.chunk % page:
        what = f"page_size {page} does not divide chunk {mamba.chunk}"
        advice = f"write `chunk: {(mamba.chunk // page + 1) * page}`"
        yield ScenarioError(node.place_of("pool", "mamba", "chunk"), what, advice)
