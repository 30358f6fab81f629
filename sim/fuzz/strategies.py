"""Hypothesis strategies: configurations that a server accepts, requests, operations, whole cases; the simple first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm
from typing import Any, Literal, get_args

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from sim.cases.case import Case
from sim.cases.matrix import KINDS, PAGES, Pools
from sim.cases.pools import accepted
from sim.config import (
    EvictionName,
    MambaConfig,
    PoolConfig,
    QueueName,
    RunConfig,
    SchedulerConfig,
    SpeculativeConfig,
    SwaConfig,
    TestRetractConfig,
)
from sim.engines.marks import REAP, STEP, Timed
from sim.engines.protocol import Request, RetractHow
from sim.operations import Abort, Close, Expire, Open, Operation, Refuse, Retract, Submit
from sim.world import Segment

SESSIONS = "abcd"
LONGEST = 24
"""Tokens of a prompt of one's own, at most."""
SECONDS = (0.01, 0.05, 0.25, 0.62, 1.13, 2.4)
TIMEOUTS = (None, None, None, 3.07, 0.87)
HOWS: tuple[RetractHow, ...] = get_args(RetractHow)

_SHAPES = ((3, 1, 4), (1, 1, 2), (5, 1, 6))
_TREE = (5, 4, 8)
_RARE: dict[str, tuple[Any, ...]] = {
    "retract_steps": (0, 2, 7), "clip_max_new_tokens": (8, 3, 1),
    "max_prefill_tokens": (40, 16), "max_queued": (3, 2, 1), "waiting_timeout": (0.5, 0.1, 1.5),
    "running_timeout": (0.5, 0.1, 1.5), "consecutive_prefill_overlap": (False,), "busy_check": (0,),
    "idle_check": ("raise",), "test_retract": (TestRetractConfig(interval=3), TestRetractConfig(interval=2)),
    "eviction": tuple(name for name in get_args(EvictionName) if name != "lru"),
    "policy": tuple(name for name in get_args(QueueName) if name != "fcfs"),
}  # fmt: skip
"""What a knob may be that is not as it is by default; most cases have none of them."""


# -- configurations ---------------------------------------------------------------------------------------


@st.composite
def configs(
    draw: DrawFn,
    *,
    pools: Sequence[Pools] = KINDS,
    pages: Sequence[int] = PAGES,
    overlap: bool | None = None,
    speculative: bool | None = None,
    radix: bool | None = None,
) -> RunConfig:
    """Small configurations of these kinds of pools, such as a server accepts; None: either."""
    kind, page = draw(st.sampled_from(pools)), draw(st.sampled_from(pages))
    knobs = draw(_knobs(page, _either(overlap), _either(speculative), radix))
    # A page of 16 needs room for a few of them; below that nothing is ever admitted.
    tokens = draw(st.integers(max(48 // page, 8), 256 // page)) * page
    pool = PoolConfig(
        tokens=tokens, page_size=page, rows=knobs.max_running + draw(st.sampled_from((8, 4, 1))),
        # A round of drafts reserves ahead of what may ever be kept.
        context=tokens + 64, swa=draw(_windowed(tokens, page)) if kind in ("swa", "both") else None,
    )  # fmt: skip
    config = RunConfig(pool=pool, scheduler=knobs)
    return config if kind in ("full", "swa") else draw(_with_states(config, kind))


def _either(value: bool | None) -> SearchStrategy[bool]:
    return st.booleans() if value is None else st.just(value)


@st.composite
def _knobs(
    draw: DrawFn, page: int, overlaps: SearchStrategy[bool], drafts: SearchStrategy[bool], radix: bool | None
) -> SchedulerConfig:
    overlap, drafting = draw(overlaps), draw(drafts)
    chunk = draw(st.sampled_from((None, 16, 32) if page == 16 else (None, 16, 12 // page * page)))
    given: dict[str, Any] = {}
    if drafting:
        # A tree of drafts is what neither overlap nor pages allow.
        shapes = _SHAPES if overlap or page > 1 else (*_SHAPES, _TREE)
        steps, topk, draft = draw(st.sampled_from(shapes))
        given["speculative"] = SpeculativeConfig(steps=steps, topk=topk, draft=draft)
    elif chunk is not None:
        given["mixed_chunk"] = draw(st.booleans())
    given["radix"] = draw(st.integers(0, 4)) < 4 if radix is None else radix
    given["conservativeness"] = draw(st.sampled_from((1.0, 1.0, 0.3, 0.05)))
    if draw(st.integers(0, 4)) == 4:
        # Preemption crashes the release's speculation without overlap.
        given |= {"priority": True, "preemption": (overlap or not drafting) and draw(st.booleans())}
        given["preemption_threshold"] = draw(st.sampled_from((10, 2)))
    for name in draw(st.lists(st.sampled_from(tuple(_RARE)), unique=True, max_size=3)):
        given[name] = draw(st.sampled_from(_RARE[name]))
    if not given["radix"]:
        given.pop("eviction", None)
    if given.get("priority") and given.get("policy") != "lof":
        given.pop("policy", None)
    return SchedulerConfig(
        max_running=draw(st.integers(1, 6)), chunked_prefill=chunk, overlap=overlap, session_gate=False, **given
    )


@st.composite
def _windowed(draw: DrawFn, tokens: int, page: int) -> SwaConfig:
    window = draw(st.sampled_from((4, 2, 6, 9, 16)))
    # Below two windows and some pages nothing is ever admitted.
    least = min(tokens, 2 * window + 4 * page) // page
    return SwaConfig(
        tokens=draw(st.integers(least, tokens // page)) * page, window=window,
        eviction_multiplier=draw(st.sampled_from((1.0, 0.25, 0.5, 1.5))),
    )  # fmt: skip


@st.composite
def _with_states(draw: DrawFn, config: RunConfig, kind: Pools) -> RunConfig:
    """The same with states, kept in a way that this server accepts; without drafts or with a tree, if it must be."""
    pool, knobs = config.pool, config.scheduler
    each = 3 if knobs.overlap else 2
    grid = lcm(draw(st.sampled_from((8, 4))), pool.page_size)
    interval = grid * draw(st.integers(1, 2))
    if knobs.speculative is not None and interval < knobs.speculative.draft:
        interval += grid
    slots = max(knobs.max_running * each + draw(st.sampled_from((12, 8, 4, 2, 0))), pool.rows)
    strategies: list[Literal["no_buffer", "extra_buffer"]] = []
    if kind != "extra_buffer":
        strategies.append("no_buffer")
    if kind != "no_buffer":
        strategies.append("extra_buffer")

    def made(strategy: Literal["no_buffer", "extra_buffer"], config: RunConfig = config) -> RunConfig:
        # Interval and grid are about snapshots, which only buffers keep.
        tracked = {"track_interval": interval, "chunk": grid} if strategy == "extra_buffer" else {}
        mamba = MambaConfig(slots=slots, strategy=strategy, **tracked)
        return replace(config, pool=replace(config.pool, mamba=mamba))

    # A scenario cannot have a tree without buffers beside drafts, whatever a server does with them.
    drafting = knobs.radix and knobs.speculative is not None
    fitting = [made(s) for s in strategies if accepted(made(s)) and not (drafting and s == "no_buffer")]
    if fitting:
        return draw(st.sampled_from(fitting))
    strategy = strategies[0]
    knobs = replace(knobs, radix=strategy == "extra_buffer")
    if strategy == "no_buffer" and pool.page_size > 1 and knobs.chunked_prefill is None:
        knobs = replace(knobs, chunked_prefill=16)
    return made(strategy, replace(config, scheduler=knobs))


# -- requests ---------------------------------------------------------------------------------------------


@st.composite
def requests(
    draw: DrawFn, rid: str, config: RunConfig, *, session: str | None = None, length: int | None = None
) -> Request:
    """A request of this name, or a turn; its text may begin as others do. `length`: exactly so long."""
    knobs = config.scheduler
    most = max(1, config.pool.tokens // 6)
    own = draw(st.integers(1, min(LONGEST, most))) if length is None else length
    prompt = [Segment(name=rid, length=max(1, own))]
    if length is None and draw(st.booleans()):
        shared = draw(st.sampled_from((8, 4, 16, 17, 32)))
        prompt.insert(0, Segment(name=draw(st.sampled_from("xy")), length=min(shared, most)))
    given: dict[str, Any] = {}
    if knobs.speculative is not None:
        given["accept"] = draw(_ACCEPT)
    if knobs.priority:
        given["priority"] = draw(st.sampled_from((None, 0, 1, 5, 20)))
    if draw(st.integers(0, 3)) == 3:
        given["stop_at"] = draw(st.integers(1, 10))
    if draw(st.integers(0, 4)) == 4:
        given["ignore_eos"] = True
    return Request(rid=rid, prompt=tuple(prompt), session=session, max_new=min(draw(_OUTPUTS), 2 * most), **given)


_OUTPUTS = st.one_of(st.integers(1, 6), st.integers(1, 34), st.sampled_from((1, 2, 8, 13, 34, 0)))
_ACCEPT: SearchStrategy[Any] = st.sampled_from(((1,), (2,), (4,), (1, 3), (4, 1, 2), 0.3, 0.7, 0.95))


# -- operations and cases ---------------------------------------------------------------------------------


def operations(
    config: RunConfig, *, sessions: Sequence[str] = SESSIONS[:2], rids: Sequence[str] = ("r1", "r2", "a/1")
) -> SearchStrategy[Operation]:
    """One operation on these names, whether they are there or not."""
    session, rid = st.sampled_from(sessions), st.sampled_from(rids)
    how: SearchStrategy[RetractHow] = st.sampled_from(HOWS)
    named = st.tuples(rid, st.sampled_from((None, *sessions)))
    return st.one_of(
        st.builds(Open, session=session, timeout=st.sampled_from(TIMEOUTS)),
        st.builds(Submit, what=named.flatmap(lambda names: requests(names[0], config, session=names[1]))),
        st.builds(Abort, request=rid),
        st.builds(Close, session=session),
        st.builds(Expire, session=session),
        st.builds(Retract, rids=st.one_of(st.tuples(rid), st.none()), how=how),
        st.builds(Refuse, request=rid, times=st.integers(1, 2)),
    )


@st.composite
def cases(draw: DrawFn, config: SearchStrategy[RunConfig] | None = None, *, most: int = 40) -> Case:
    """A configuration, and timed operations on names that may be there: for what plays lists of them."""
    chosen = draw(config if config is not None else configs())
    now = 0.0
    actions: list[Timed] = []
    parts = st.one_of(st.integers(1, 8), operations(chosen), st.sampled_from(SECONDS))
    for what in draw(st.lists(parts, max_size=most)):
        if isinstance(what, int):
            actions += [(now, STEP)] * what
        elif isinstance(what, float):
            now = round(now + what, 9)
            actions.append((now, REAP))
        else:
            actions.append((now, what))
    return Case(seed=chosen.seed, config=chosen, actions=tuple(actions))
