"""The pools that the header of an ops.jsonl spells, checked by the rules of a scenario file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pydantic import Field

from sim.config import PoolConfig, RunConfig
from sim.scenario.errors import Place
from sim.scenario.loader import validated
from sim.scenario.parts import Part, Text
from sim.scenario.places import Node
from sim.scenario.poollimits import pool_problems
from sim.scenario.pools import Pool

_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[ \t\n\r,:]*")
_POOL = PoolConfig(tokens=8)


class Pools(Part):
    """What a header says of pools, as a scenario would say it."""

    model: Text = Field(default=_POOL.model, description="Preset that sizes the KV tensor.", examples=[_POOL.model])
    pool: Pool = Field(description="The pools.", examples=[{"tokens": 1000}])


class Header:
    """The first line of an ops.jsonl: JSON that has been read, so it is well formed; raises ScenarioError."""

    def __init__(self, line: str, file: str) -> None:
        tree = _tree(line, _next(line, 0), file)
        config = tree.find("config") or tree
        members = dict(config.value) if isinstance(config.value, dict) else {}
        pool = members.get("pool")
        if pool is not None and isinstance(pool.value, dict):
            rest = {key: node for key, node in pool.value.items() if key != "model"}
            members["pool"] = Node(pool.place, rest, pool.end, pool.keys)
            members |= {key: node for key, node in pool.value.items() if key == "model"}
        self._node = Node(config.place, members, config.end, config.keys)

    def check_values(self) -> None:
        """Each value by itself."""
        named = {key: node for key, node in self._node.value.items() if key in Pools.model_fields}
        validated(Pools, Node(self._node.place, named, self._node.end, self._node.keys))

    def check_pools(self, config: RunConfig, memory: int) -> None:
        """The pools of the configuration that these values came to."""
        for problem in pool_problems(config, self._node, memory):
            raise problem


def _tree(text: str, at: int, file: str) -> Node:
    """The value that begins here, with places."""
    value, end = _DECODER.raw_decode(text, at)
    place, after = Place(file, 1, at + 1), Place(file, 1, end + 1)
    if isinstance(value, dict):
        members = list(_members(text, at))
        keys = {key: Place(file, 1, column + 1) for key, column, _ in members}
        return Node(place, {key: _tree(text, begin, file) for key, _, begin in members}, after, keys)
    # Nothing that is looked for stands in a list.
    return Node(place, [] if isinstance(value, list) else value, after, {})


def _members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Each key of the object that begins here, where it stands, and where its value begins."""
    at = _next(text, at + 1)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        begin = _next(text, end)
        yield key, at, begin
        at = _next(text, _DECODER.raw_decode(text, begin)[1])


def _next(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    assert found is not None, "it matches nothing too"
    return found.end()
