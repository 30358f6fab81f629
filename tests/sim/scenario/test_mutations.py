"""Whatever a file says, it is read or refused in one line: nothing else ever comes out."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario import ScenarioError, load
from sim.scenario.loader import load_text
from sim.scenario.model import Scenario

GOOD = """\
name: good
release: sglang-0.5.11
revert: [22862]
seed: 1
pool: {tokens: 1000, page_size: 1, rows: 8, context: 4096}
scheduler: {max_running: 8, overlap: true, speculative: {steps: 3, topk: 1, draft: 4}}
until: 60s
workload:
  - session: a
    close: end
    turns: [{prompt: 20, output: 12, accept: [1, 4]}, {prompt: 1, output: 4, at: 2s}]
  - poisson: {name: p, rate: 20/s, count: 9, prompt: {uniform: [8, 64]}, output: 8, priority: [0, 20]}
  - fleet: {name: f, sessions: 4, turns: 6, think: {exponential: {mean: 1s, max: 9s}}, prompt: 8, output: 8}
inject:
  - {retract: a/1, when: {decoded: 6}}
  - {second_turn: a, at: 1s}
  - {close: a, when: {turn: a/2, decoded: 3}}
variants: {before: {scheduler: {speculative: null}}, after: {revert: []}}
expect:
  before: [{verdict: leak, size: -1}]
  after: {verdict: clean, points: [{when: {finished: a/1}, full: {delta: 0}, sessions: {a: {c: 26}}}]}
"""
OPERATIONS = """\
name: good
pool: {tokens: 1000, rows: 8}
operations:
  - {open: a, timeout: 0.87}
  - {submit: a/1, session: a, prompt: 20, output: 12}
  - {submit: r1, prompt: [{x: 16}, {r1: 5}], output: 3, stop_at: 2, ignore_eos: true, priority: 5, accept: [1, 3]}
  - {step: 3}
  - {wait: 0.5s}
  - {retract: [a/1, r1], how: memory}
  - {retract: all}
  - {refuse: r1, times: 2}
  - {abort: a/1}
  - {close: a}
  - {expire: a}
  - {reap: true}
expect: {default: {verdict: clean, points: [{when: {iteration: 3}, free_rows: 7}]}}
"""
WORDS = sorted(set(re.findall(r"[A-Za-z0-9_./-]+|[^\sA-Za-z0-9]", GOOD + OPERATIONS)))
ODD = [
    "null",
    "~",
    "[]",
    "{}",
    "-1",
    "0",
    "1e999",
    "99999999999",
    "''",
    '"\\0"',
    "é",
    "*a",
    "&a",
    "!t",
    "? ",
    "- ",
    "\t",
]
LINE = re.compile(r"[^:]*f\.yaml:[1-9]\d*:[1-9]\d*: .+; .+")
TOKENS = re.compile(r"[A-Za-z0-9_./-]+|\s+|.")


def attempt(read: Callable[[], Scenario]) -> Scenario | str:
    """A scenario, or the line that refuses it; any other exception is a failure."""
    try:
        return read()
    except ScenarioError as error:
        return str(error)


def read_or_refused(read: Callable[[], Scenario]) -> None:
    outcome = attempt(read)
    assert isinstance(outcome, Scenario) or (LINE.fullmatch(outcome) and outcome.isprintable()), outcome


def text_is_read_or_refused(text: str) -> None:
    read_or_refused(lambda: load_text(text, "f.yaml", memory=1 << 34))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A good file with some of its words replaced, removed, doubled or swapped."""
    words = TOKENS.findall(draw(st.sampled_from([GOOD, OPERATIONS])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(words) - 1))
        other = draw(st.integers(0, len(words) - 1))
        match draw(st.sampled_from(["replace", "odd", "remove", "double", "swap"])):
            case "replace":
                words[at] = draw(st.sampled_from(WORDS))
            case "odd":
                words[at] = draw(st.sampled_from(ODD))
            case "remove":
                words[at] = ""
            case "double":
                words[at] *= 2
            case "swap":
                words[at], words[other] = words[other], words[at]
    return "".join(words)


def test_the_unchanged_files_are_good():
    assert set(load_text(GOOD, "f.yaml").variants) == {"before", "after"}
    assert set(load_text(OPERATIONS, "f.yaml").variants) == {"default"}


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_a_good_file_with_some_words_changed(text):
    text_is_read_or_refused(text)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_arbitrary_text(text):
    text_is_read_or_refused(text)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(WORDS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=12,
)
KEYS = [
    "name",
    "pool",
    "scheduler",
    "workload",
    "inject",
    "operations",
    "variants",
    "expect",
    "until",
    "latency",
    "decide",
    "revert",
]


def flow(value) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"'{key.replace(chr(39), chr(39) * 2)}': {flow(each)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(flow(each) for each in value) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "null" if value is None else str(value).lower()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([GOOD, OPERATIONS]), st.sampled_from(KEYS), values)
def test_any_value_under_any_key(good, key, value):
    rest = "".join(block for block in re.split(r"(?m)^(?=\w)", good) if not block.startswith(f"{key}:"))
    text_is_read_or_refused(f"{rest}{key}: {flow(value)}\n")


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_arbitrary_bytes_in_a_file(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "f.yaml"
    path.write_bytes(data)
    read_or_refused(lambda: load(path))
