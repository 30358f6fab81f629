"""Whether the release that a scenario names exists, with the changes and decisions that it asks for."""

from __future__ import annotations

from collections.abc import Iterator

from policies.releases import UnknownChoice, compose
from sim.scenario.errors import ScenarioError
from sim.scenario.model import Variant
from sim.scenario.places import Node
from sim.scenario.schema import Settings


def release_problems(settings: Settings, node: Node) -> Iterator[ScenarioError]:
    """The first choice with which the release cannot be composed any more, taken one after the other."""
    for path, choices in _growing(settings):
        try:
            compose(settings.release, revert=choices.revert, add=choices.add, decide=choices.decide)
        except UnknownChoice as problem:
            what, _, advice = str(problem).partition("; ")
            yield ScenarioError(node.place_of(*path), what, advice)
            return


def refuses_sessions(variant: Variant) -> bool:
    """Whether the release refuses streaming sessions together with speculation and overlap."""
    release = compose(variant.release, revert=variant.revert, add=variant.add, decide=variant.decide)
    return release.reserve.gated


def _growing(settings: Settings) -> Iterator[tuple[tuple[str | int, ...], Settings]]:
    """The release alone, then with one choice more each time, and where that choice stands."""
    grown = settings.model_copy(update={"revert": [], "add": [], "decide": {}})
    yield ("release",), grown
    for key in ("revert", "add"):
        numbers = getattr(settings, key)
        for index in range(len(numbers)):
            grown = grown.model_copy(update={key: numbers[: index + 1]})
            yield (key, index), grown
    for name, choice in settings.decide.items():
        grown = grown.model_copy(update={"decide": {**grown.decide, name: choice}})
        yield ("decide", name), grown
