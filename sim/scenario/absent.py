"""What a scenario says of pools that a variant does not have, and what it writes that changes nothing there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policies.fixes import FIXES
from policies.releases import POOL_OF, compose
from sim.config import PoolConfig
from sim.scenario.errors import Place, ScenarioError
from sim.scenario.model import Variant
from sim.scenario.places import Node
from sim.scenario.poollimits import EXAMPLES, LAYERS

_FIGURES = {"e": "swa", "held_swa": "swa", "states": "mamba"}
"""Figures of a session that are about one pool."""


def expected_pool_problems(expect: Node, pool: PoolConfig) -> Iterator[ScenarioError]:
    """Expectations about a pool that the run does not have; `expect` is what one variant must show."""
    lacking = [name for name in LAYERS if name not in pool.names]
    for entry in expect.items() or [expect]:
        named = entry.find("pool")
        if named is not None and named.value in lacking:
            yield _lacks(named.value, named.place)
        points = entry.find("points")
        for point in points.items() if points is not None else ():
            for name, figure in _pool_figures(point):
                if name in lacking:
                    yield _lacks(name, figure.place)


def _pool_figures(point: Node) -> Iterator[tuple[str, Node]]:
    """The pools that the figures of a point are about, beside the full one."""
    for name in LAYERS:
        figures = point.find(name)
        if figures is not None and figures.value:
            yield name, figures
    sessions = point.find("sessions")
    for session in sessions.value.values() if sessions is not None else ():
        for key, figure in session.value.items():
            if key in _FIGURES and figure.value is not None:
                yield _FIGURES[key], figure


def _lacks(name: str, place: Place) -> ScenarioError:
    return ScenarioError(place, f"this variant has no pool `{name}`", f"leave it out, or add `{name}` to its `pool`")


def effect_problems(variants: Iterable[tuple[Variant, Node]]) -> Iterator[ScenarioError]:
    """What is written and changes nothing in any of the variants that it is written for."""
    told: dict[Place, ScenarioError] = {}
    working: set[Place] = set()
    for variant, node in variants:
        for place, problem in _choices(variant, node):
            if problem is None:
                working.add(place)
            else:
                told.setdefault(place, ScenarioError(place, *problem))
    yield from (problem for place, problem in told.items() if place not in working)


_Told = tuple[Place, tuple[str, str] | None]
"""Where something is written, and what is wrong with it and what to write instead, if it changes nothing."""


def _choices(variant: Variant, node: Node) -> Iterator[_Told]:
    pools = variant.config.pool.names
    for key in ("revert", "add"):
        for index, number in enumerate(getattr(variant, key)):
            problem = _about(f"fix {number}", FIXES[number].pool, pools)
            yield node.place_of(key, index), problem
    for decision in variant.decide:
        yield node.place_of("decide", decision), _about(f"the decision `{decision}`", POOL_OF.get(decision), pools)
    yield from _pool_keys(variant, node)


def _about(what: str, pool: str | None, pools: tuple[str, ...]) -> tuple[str, str] | None:
    if pool is None or pool in pools:
        return None
    return f"{what} is about {LAYERS[pool]} layers, and there are none", (
        f"leave it out, or add `{pool}: {EXAMPLES[pool]}` to `pool`"
    )


def _pool_keys(variant: Variant, node: Node) -> Iterator[_Told]:
    written = node.find("pool", "swa", "eviction_multiplier")
    if written is not None:
        release = compose(variant.release, revert=variant.revert, add=variant.add, decide=variant.decide)
        what = f"{variant.release} looks once in a window, and has no eviction_multiplier"
        problem = (what, "leave it out, or write `release: sglang-0.5.11`")
        steps, half = (release.window.interval(1024, 1, multiplier) for multiplier in (1, 0.5))
        yield written.place, problem if steps == half else None
    mamba = variant.config.pool.mamba
    for key in ("track_interval", "chunk"):
        written = node.find("pool", "mamba", key)
        if written is not None and mamba is not None:
            what = f"{key} is about snapshots, and no_buffer keeps none"
            problem = (what, "leave it out, or write `strategy: extra_buffer`")
            yield written.place, None if mamba.strategy == "extra_buffer" else problem
