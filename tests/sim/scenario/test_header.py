"""The header of an ops.jsonl as a tree with places, and the rules that it is held to."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config import MambaConfig, PoolConfig, RunConfig, SchedulerConfig, SwaConfig
from sim.scenario.errors import ScenarioError
from sim.scenario.header import Header, _tree
from sim.scenario.places import Node

scalars = st.none() | st.booleans() | st.integers(-9, 10**20) | st.floats(allow_nan=False) | st.text(max_size=9)
trees = st.recursive(scalars, lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=9)
SEPARATORS = [(",", ":"), (", ", ": "), (" ,\t", " :  ")]


def every(node: Node):
    yield node
    if isinstance(node.value, dict):
        for inner in node.value.values():
            yield from every(inner)


@given(trees, st.sampled_from(SEPARATORS), st.booleans())
def test_every_value_and_key_stands_where_the_tree_says(data, separators, ascii_only):
    text = json.dumps(data, separators=separators, ensure_ascii=ascii_only)
    tree = _tree(text, 0, "f")
    assert tree.plain() == data
    for node in every(tree):
        value, end = json.JSONDecoder().raw_decode(text, node.place.column - 1)
        assert (value, end + 1) == (node.plain(), node.end.column)
        for key, place in node.keys.items():
            assert json.JSONDecoder().raw_decode(text, place.column - 1)[0] == key


def test_a_list_is_a_list():
    assert _tree('{"a": [1, {"b": 2}], "c": 3}', 0, "f").plain() == {"a": [], "c": 3}


def spelled(config: RunConfig) -> str:
    return " " + json.dumps({"kvledger": 1, "config": config.spelled()}) + "\n"


def check(config: RunConfig, memory: int = 1 << 34) -> None:
    header = Header(spelled(config), "f")
    header.check_values()
    header.check_pools(config, memory)


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(pool=PoolConfig(tokens=8, rows=1, context=8)),
        RunConfig(pool=PoolConfig(tokens=64, swa=SwaConfig(tokens=64, window=1, eviction_multiplier=0.25))),
        RunConfig(pool=PoolConfig(tokens=64, mamba=MambaConfig(slots=1)), scheduler=SchedulerConfig(overlap=False)),
        RunConfig(
            pool=PoolConfig(
                tokens=64, page_size=16,
                mamba=MambaConfig(slots=3, strategy="extra_buffer", track_interval=16, chunk=4),
            )
        ),
        RunConfig(pool=PoolConfig(tokens=64, rows=4), scheduler=SchedulerConfig(max_running=64, retract_steps=0)),
    ],
)  # fmt: skip
def test_what_an_engine_can_be_made_from_is_accepted(config):
    check(config)


def test_a_configuration_that_needs_more_memory_than_there_is_is_refused_at_its_tokens():
    config = RunConfig(pool=PoolConfig(tokens=4096, rows=2))
    column = spelled(config).index("4096") + 1
    with pytest.raises(ScenarioError, match=rf"^f:1:{column}: this needs about .* the machine has 1\.0 KiB"):
        check(config, 1 << 10)


@pytest.mark.parametrize("config", ["5", "null", "[]", '"x"'])
def test_a_configuration_that_is_no_object_has_no_pools(config):
    with pytest.raises(ScenarioError, match=r"^f:1:12: `pool` is missing"):
        Header(f'{{"config": {config}}}', "f").check_values()
