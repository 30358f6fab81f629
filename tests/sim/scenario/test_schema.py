"""The JSON Schema says the same as the loader, and says it about every key."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from sim.config import (
    LatencyConfig,
    MambaConfig,
    PoolConfig,
    SchedulerConfig,
    SpeculativeConfig,
    SwaConfig,
    TestRetractConfig,
)
from sim.folders import scenario_files
from sim.scenario import pools, schema, settings
from sim.scenario.places import parse

SCHEMA = schema.json_schema()
SCENARIOS = scenario_files(Path(__file__).parents[3] / "scenarios")
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}

EVERYTHING = """\
name: everything
about: every construct once
release: sglang-0.5.11
revert: [22753]
add: [22213]
decide: {abort: save}
seed: 1
model: tiny
pool:
  tokens: 1000
  page_size: 1
  rows: 8
  context: 4096
  swa: {ratio: 0.8, window: 128, eviction_multiplier: 0.5}
  mamba: {slots: 24, strategy: extra_buffer, track_interval: 256, chunk: 64}
scheduler: {max_running: 8, chunked_prefill: null, overlap: true, speculative: {steps: 3}}
latency: {decode_base: 8ms, idle: 0.001}
until: {iterations: 5000}
workload:
  - {session: a, open: 0s, close: 12s, turns: [{prompt: 20, output: 12, accept: {rate: 0.5}}]}
  - {request: r1, prompt: 20, output: 12, at: 0.5s, accept: [1, 2], prefix: {name: s, tokens: 3}}
  - poisson: {name: p, rate: 20/s, until: 1m, prompt: {uniform: [8, 64]}, output: 8, priority: [0, 20]}
  - bursty: {name: b, every: 5s, size: 20, count: 3, prompt: 8, output: {exponential: {mean: 9, max: 50}}}
  - fleet: {name: f, sessions: 4, turns: 6, think: {uniform: [1s, 2]}, prompt: 8, output: 8, rounds: 2}
inject:
  - {retract: all, how: memory, at: 1s}
  - {overlong: null, when: {iteration: 3}}
  - {second_turn: a, when: {turn: a/1, decoded: 3}}
variants: {before: {revert: [22753, 22862]}, after: }
expect:
  before: [{verdict: leak, size: -1}, {verdict: alias}]
  after:
    verdict: clean
    points: [{at: 1s, full: {delta: 0}, swa: {sum: 9}, sessions: {a: {c: 26, e: 4}}, free_rows: 7}]
"""


def conforms(value, rule):
    """Whether a value conforms, by the part of JSON Schema that pydantic and we use."""
    known = {"$ref", "$defs", "$schema", "anyOf", "oneOf", "not", "const", "enum", "type", "title", "default"}
    known |= {
        "description",
        "examples",
        "properties",
        "required",
        "additionalProperties",
        "propertyNames",
        "patternProperties",
        "items",
    }
    known |= {
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "minLength",
        "pattern",
    }
    assert set(rule) <= known, set(rule) - known
    if "$ref" in rule and not conforms(value, SCHEMA["$defs"][rule["$ref"].rsplit("/", 1)[1]]):
        return False
    if "anyOf" in rule and not any(conforms(value, each) for each in rule["anyOf"]):
        return False
    if "oneOf" in rule and sum(conforms(value, each) for each in rule["oneOf"]) != 1:
        return False
    if "not" in rule and conforms(value, rule["not"]):
        return False
    if ("const" in rule and value != rule["const"]) or ("enum" in rule and value not in rule["enum"]):
        return False
    return _typed(value, rule.get("type")) and _bounded(value, rule) and _members(value, rule)


def _typed(value, kind):
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return kind is None or isinstance(value, TYPES[kind])


def _bounded(value, rule):
    if isinstance(value, str):
        return (
            len(value) >= rule.get("minLength", 0) and re.search(rule.get("pattern", ""), value) is not None
        )
    if isinstance(value, list):
        return rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value))
    if isinstance(value, int | float):
        above = value > rule.get("exclusiveMinimum", float("-inf"))
        return above and rule.get("minimum", value) <= value <= rule.get("maximum", value)
    return True


def _members(value, rule):
    if isinstance(value, list):
        return all(conforms(each, rule.get("items", {})) for each in value)
    if not isinstance(value, dict):
        return True
    named, other = rule.get("properties", {}), rule.get("additionalProperties", True)
    if not set(rule.get("required", ())) <= set(value) or len(value) < rule.get("minProperties", 0):
        return False
    if len(value) > rule.get("maxProperties", len(value)):
        return False
    if other is False and not set(value) <= set(named):
        return False
    if not all(conforms(key, rule.get("propertyNames", {})) for key in value):
        return False
    patterns = rule.get("patternProperties", {})
    rest = next(iter(patterns.values()), other if isinstance(other, dict) else {})
    return all(conforms(each, named.get(key, rest)) for key, each in value.items())


def models():
    """Every mapping that the schema describes."""
    return {"ScenarioFile": SCHEMA, **SCHEMA["$defs"]}


OPERATIONS = """\
pool: {tokens: 1000}
operations:
  - {open: a, timeout: 0.87}
  - {submit: a/1, session: a, prompt: 20, output: 0}
  - {submit: r1, prompt: [{x: 16}, {r1: 5}], output: 3, stop_at: 2, ignore_eos: true, priority: 5, accept: [1, 3]}
  - {step: 3}
  - {retract: a/1, how: memory}
  - {retract: [a/1, r1]}
  - {retract: all}
  - {refuse: a/2, times: 2}
  - {abort: a/1}
  - {close: a}
  - {expire: a}
  - {wait: 500ms}
  - {reap: true}
"""


def test_a_scenario_with_every_operation_conforms_and_loads(scenario):
    assert len(scenario(OPERATIONS).variants["default"].operations) == 14
    assert conforms(parse(OPERATIONS, "f.yaml").plain(), SCHEMA)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("{open: a, timeout: 0.87}", "{opne: a}"),
        ("prompt: 20", "prompt: 0"),
        ("{x: 16}", "{}"),
        ("{x: 16}", "{x: 16, y: 1}"),
        ("[{x: 16}, {r1: 5}]", "[]"),
        ("how: memory", "how: hard"),
        ("[a/1, r1]", "[]"),
        ("times: 2", "times: 0"),
        ("wait: 500ms", "wait: often"),
        ("reap: true", "reap: false"),
        ("operations:", "until: 3s\noperations:"),
        ("operations:", "inject: []\noperations:"),
        ("operations:", "workload: [{request: r, prompt: 1, output: 1}]\noperations:"),
    ],
)
def test_operations_that_the_loader_refuses_do_not_conform(refusal, right, wrong):
    assert right in OPERATIONS
    assert refusal(OPERATIONS.replace(right, wrong, 1))
    assert not conforms(parse(OPERATIONS.replace(right, wrong, 1), "f.yaml").plain(), SCHEMA)


def test_a_scenario_with_every_construct_conforms_and_loads(scenario):
    assert list(scenario(EVERYTHING).variants) == ["before", "after"]
    assert conforms(parse(EVERYTHING, "f.yaml").plain(), SCHEMA)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_each_scenario_that_is_shipped_conforms(path):
    assert conforms(parse(path.read_text(), str(path)).plain(), SCHEMA)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("seed: 1", "seed: -1"),
        ("seed: 1", "sed: 1"),
        ("page_size: 1", "page_size: 1.5"),
        ("overlap: true", "overlap: on"),
        ("prompt: 20,", "prompt: 0,"),
        ("close: 12s", "close: soon"),
        ("rate: 20/s", "rate: often"),
        ("rate: 20/s, ", ""),
        ("uniform: [8, 64]", "uniform: [8]"),
        ("{retract: all, how: memory, at: 1s}", "{at: 1s}"),
        ("how: memory", "how: hard"),
        ("verdict: alias", "verdict: alais"),
        ("full: {delta: 0}", "full: {dleta: 0}"),
        ("name: everything", "name: all"),
    ],
)
def test_what_the_loader_refuses_does_not_conform(right, wrong):
    assert right in EVERYTHING
    assert not conforms(parse(EVERYTHING.replace(right, wrong, 1), "f.yaml").plain(), SCHEMA)


@pytest.mark.parametrize("name", models())
def test_every_key_has_a_title_a_description_and_an_example(name):
    model = models()[name]
    assert model["description"], name
    for key, rule in model["properties"].items():
        assert rule.get("title") or "$ref" in rule or any("$ref" in arm for arm in rule.get("anyOf", ())), key
        assert rule["description"].endswith("."), key
        assert rule["examples"], key


@pytest.mark.parametrize("name", models())
def test_every_example_conforms(name):
    for key, rule in models()[name]["properties"].items():
        for example in rule["examples"]:
            assert conforms(example, rule), (key, example)


@pytest.mark.parametrize(
    ("part", "config", "elsewhere"),
    [
        (pools.Pool, PoolConfig, {"model"}),
        (pools.SwaPart, SwaConfig, set()),
        (pools.Mamba, MambaConfig, set()),
        (settings.Scheduler, SchedulerConfig, set()),
        (settings.Speculative, SpeculativeConfig, set()),
        (settings.TestRetract, TestRetractConfig, set()),
        (settings.Latency, LatencyConfig, set()),
    ],
)
def test_every_field_of_the_configuration_can_be_written(part, config, elsewhere):
    assert set(part.model_fields) - {"ratio"} == {field.name for field in fields(config)} - elsewhere


def test_the_schema_needs_neither_torch_nor_numpy():
    script = (
        "import sys; from sim.scenario.schema import json_schema; json_schema();"
        " print({'torch', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
