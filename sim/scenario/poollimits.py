"""Pools that a release refuses, or that a model has no layers for: in a scenario, in a record, in a random case."""

from __future__ import annotations

from collections.abc import Iterator

from sim.config import MambaConfig, PoolConfig, RunConfig, SwaConfig
from sim.memory.presets import PRESETS
from sim.scenario.errors import ScenarioError, choose
from sim.scenario.places import Node
from sim.scenario.pools import SMALLEST_POOL, overlap_goes, states_of_one
from sim.scenario.sizes import memory_needed, spell_bytes

LAYERS = {"swa": "windowed", "mamba": "recurrent"}
EXAMPLES = {"swa": "{ratio: 0.8, window: 128}", "mamba": "{slots: 30}"}
_ANY = PoolConfig(tokens=SMALLEST_POOL).model
"""The preset that is no model: it has the layers that it is given pools for."""


def pool_problems(config: RunConfig, node: Node, memory: int) -> Iterator[ScenarioError]:
    """What is wrong with the pools of a configuration, which `node` spells, on a machine with so much memory."""
    pool = config.pool
    if pool.tokens % pool.page_size:
        what = f"page_size {pool.page_size} does not divide the {pool.tokens} tokens of the pool"
        advice = multiples("tokens", pool.tokens, pool.page_size, SMALLEST_POOL)
        yield ScenarioError(node.place_of("pool", "page_size"), what, advice)
    if pool.model not in PRESETS:
        what = f"there is no model preset `{pool.model}`"
        yield ScenarioError(node.place_of("model"), what, choose(pool.model, PRESETS))
        return
    yield from further_pool_problems(config, node)
    if memory_needed(config) > memory:
        needed, there_is = spell_bytes(memory_needed(config)), spell_bytes(memory)
        what = f"this needs about {needed} of memory, the machine has {there_is}"
        advice = "write fewer tokens or rows, a shorter context, or a smaller model"
        yield ScenarioError(node.place_of("pool", "tokens"), what, advice)


def further_pool_problems(config: RunConfig, node: Node) -> Iterator[ScenarioError]:
    """What is wrong with the pools beside the full one."""
    pool = config.pool
    for name in pool.names[1:]:
        if name not in PRESETS[pool.model].kinds:
            having = [preset.name for preset in PRESETS.values() if name in preset.kinds]
            what = f"{pool.model} has no {LAYERS[name]} layers"
            advice = f"leave `{name}` out, or write a model that has some: {', '.join(having)}"
            yield ScenarioError(node.place_of("pool", name), what, advice)
    for name in PRESETS[pool.model].kinds[1:]:
        if pool.model != _ANY and name not in pool.names:
            what = f"{pool.model} has {LAYERS[name]} layers, and there is no pool for them"
            yield ScenarioError(node.place_of("model"), what, f"add `{name}: {EXAMPLES[name]}` to `pool`")
    if pool.swa is not None:
        yield from _swa_problems(pool.swa, pool.tokens, pool.page_size, node)
    if pool.mamba is not None:
        yield from _mamba_problems(pool.mamba, config, node)


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
        advice = "write a larger `ratio`, or more `tokens` for the full pool"
        yield ScenarioError(node.place_of("pool", "swa", "ratio"), what, advice)


def _given(node: Node, key: str) -> bool:
    value = node.find(key)
    return value is not None and value.value is not None


def _mamba_problems(mamba: MambaConfig, config: RunConfig, node: Node) -> Iterator[ScenarioError]:
    spec, needed = config.scheduler.speculative, states_of_one(mamba, config.scheduler)
    if mamba.slots < needed:
        what = f"with {mamba.strategy} a request that runs has {needed} states, and there are only {mamba.slots}"
        yield ScenarioError(node.place_of("pool", "mamba", "slots"), what, f"write `slots: {needed}` or more")
    if mamba.strategy == "no_buffer":
        yield from _no_buffer_problems(mamba, config, node)
        return
    page, place = config.pool.page_size, node.place_of("pool", "mamba", "track_interval")
    if not config.scheduler.radix:
        what = "extra_buffer keeps states for the prefix tree, and there is none"
        advice = "write `strategy: no_buffer` or `radix: true`"
        yield ScenarioError(node.place_of("pool", "mamba", "strategy"), what, advice)
    if mamba.track_interval % page:
        what = f"page_size {page} does not divide track_interval {mamba.track_interval}"
        yield ScenarioError(place, what, f"write `track_interval: {(mamba.track_interval // page + 1) * page}`")
    if spec is not None and mamba.track_interval < spec.draft:
        what = f"track_interval {mamba.track_interval} is less than the {spec.draft} drafts of a round"
        yield ScenarioError(place, what, f"write `track_interval: {spec.draft}` or more")
    if max(mamba.chunk, page) % min(mamba.chunk, page):
        what = f"neither of page_size {page} and chunk {mamba.chunk} divides the other"
        advice = f"write `chunk: {(mamba.chunk // page + 1) * page}`"
        yield ScenarioError(node.place_of("pool", "mamba", "chunk"), what, advice)


def _no_buffer_problems(mamba: MambaConfig, config: RunConfig, node: Node) -> Iterator[ScenarioError]:
    scheduler, page = config.scheduler, config.pool.page_size
    place = node.place_of("pool", "page_size")
    if not scheduler.radix:
        if page > 1 and scheduler.chunked_prefill is None and config.pool.swa is None:
            what = f"no_buffer without chunks keeps states of single tokens, not of pages of {page}"
            advice = "write `page_size: 1`, or `chunked_prefill: 512` in `scheduler`"
            yield ScenarioError(place, what, advice)
        return
    if page > 1:
        what = f"no_buffer with the prefix tree keeps states of single tokens, not of pages of {page}"
        yield ScenarioError(place, what, "write `page_size: 1` or `strategy: extra_buffer`")
    # Where the configuration is made from this node, overlap is off whatever is written.
    written = node.find("scheduler", "overlap")
    overlap = scheduler.overlap or (written is not None and written.value)
    if overlap and overlap_goes(mamba, scheduler.radix, scheduler.speculative is not None):
        what = "no_buffer with the prefix tree switches overlap off"
        advice = "write `overlap: false`, or `strategy: extra_buffer`"
        yield ScenarioError(node.place_of("scheduler", "overlap"), what, advice)


def multiples(name: str, value: int, page: int, smallest: int) -> str:
    """Advice: the whole pages next to a number of tokens."""
    below, above = value // page * page, (value // page + 1) * page
    either = f"`{name}: {below}` or " if below >= smallest else ""
    return f"write {either}`{name}: {above}`"
