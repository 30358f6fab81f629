"""A run with more pools: its log, its series, its header, its points, and playing it again."""

import json

import numpy as np
import pytest

from sim.config import MambaConfig
from sim.errors import InputError
from sim.recorded import Recorded
from sim.replay import Changes, replay
from sim.run import Options, load_all, run_variant

TEXT = """\
name: pools
about: three pools
pool: {tokens: 200, rows: 8, swa: {tokens: 160, window: 8}, mamba: {slots: 12}}
scheduler: {radix: false}
workload:
  - session: a
    close: 1s
    turns: [{prompt: 20, output: 6}, {prompt: 3, output: 4, think: 0.1s}]
variants:
  after: {}
  lost: {revert: [23496]}
expect:
  after:
    verdict: clean
    points:
      - {when: {finished: a/1}, sessions: {a: {states: 1, held: 26}}, mamba: {session_held: 1, available: 11}}
  lost: {verdict: leak, pool: mamba, size: -1}
"""


@pytest.fixture
def run(tmp_path):
    file = tmp_path / "pools.yaml"
    file.write_text(TEXT)
    (scenario,) = load_all([file])

    def one(variant):
        return run_variant(scenario, scenario.variants[variant], Options(out=tmp_path / "out"))

    return one


def events(result):
    return [json.loads(line) for line in (result.folder / "events.jsonl").open()]


def test_every_event_has_the_terms_of_every_pool(run):
    result = run("after")
    assert result.ok, result.unmet
    log = events(result)
    for event in log:
        assert (sum(event["full"]), sum(event["swa"]), sum(event["mamba"])) == (200, 160, 12)
    assert {"swa_delta", "mamba_delta", "delta"} & {key for event in log for key in event} == set()


def test_what_is_lost_stands_in_log_and_series_under_the_name_of_its_pool(run):
    result = run("lost")
    assert result.ok, result.unmet
    last = events(result)[-1]
    assert (last["mamba_delta"], last["mamba_lost"]) == (-1, 1)
    assert "delta" not in last
    with np.load(result.folder / "series.npz") as series:
        assert series["mamba_delta"][-1] == -1
        assert series["mamba_lost"][-1] == 1
        assert not series["swa_delta"].any()
        assert (int(series["swa_total"]), int(series["mamba_total"])) == (160, 12)


def test_the_header_spells_the_pools_that_there_are(run):
    header = json.loads((run("after").folder / "ops.jsonl").open().readline())
    assert header["config"]["pool"]["swa"] == {"tokens": 160, "window": 8, "eviction_multiplier": 1.0}
    assert header["config"]["pool"]["mamba"]["slots"] == 12


def test_a_plain_run_says_nothing_of_pools_that_it_does_not_have(tmp_path):
    file = tmp_path / "plain.yaml"
    file.write_text("pool: {tokens: 100}\nworkload: [{request: r, prompt: 4, output: 2}]\n")
    (scenario,) = load_all([file])
    result = run_variant(scenario, scenario.variants["default"], Options(out=tmp_path / "out"))
    header = json.loads((result.folder / "ops.jsonl").open().readline())
    assert set(header["config"]["pool"]) == {"tokens", "page_size", "rows", "context", "model"}
    with np.load(result.folder / "series.npz") as series:
        assert not [name for name in series if name.startswith(("swa", "mamba"))]


def test_it_plays_again_to_the_same_bytes(run, tmp_path):
    result = run("lost")
    again = replay(result.folder / "ops.jsonl", Changes(out=tmp_path / "again"))
    assert [v.to_json() for v in again.verdicts] == [v.to_json() for v in result.verdicts]
    assert (again.folder / "events.jsonl").read_bytes() == (result.folder / "events.jsonl").read_bytes()


TREE = {'"radix":false': '"radix":true'}
WRONG = [
    ({'"window":8': '"window":0'}, '"window":', "`window`: `0` is too small; write 1 or more"),
    ({'"slots":12': '"slots":0'}, '"slots":', "`slots`: `0` is too small; write 1 or more"),
    ({'"slots":12': '"slots":10000000000'}, '"slots":', "`slots`: `10000000000` is too large; write at most 16777216"),
    (
        {'"no_buffer"': '"no"'}, '"strategy":',
        "`strategy` is `no`, which is unknown; write one of no_buffer, extra_buffer",
    ),
    ({'"tokens":160': '"tokens":-5'}, '"swa":{"tokens":', "`tokens`: `-5` is too small; write 8 or more"),
    ({'"tokens":160': '"tokens":7'}, '"swa":{"tokens":', "`tokens`: `7` is too small; write 8 or more"),
    (
        {'"tokens":160': '"tokens":100.5'}, '"swa":{"tokens":',
        "`tokens`: `100.5` is no whole number; write e.g. 1000",
    ),
    (
        {'"tokens":160': '"tokens":99999'}, '"swa":{"tokens":',
        "the windowed pool has 99999 tokens, the full pool only 200; write `tokens: 200` or fewer",
    ),
    (
        {'"tokens":160': '"tokens":12', '"page_size":1': '"page_size":8'}, '"swa":{"tokens":',
        "page_size 8 does not divide the 12 tokens of the windowed pool; write `tokens: 8` or `tokens: 16`",
    ),
    (
        {'"no_buffer"': '"extra_buffer"'}, '"strategy":',
        "extra_buffer keeps states for the prefix tree, and there is none; write `strategy: no_buffer` or `radix: "
        "true`",
    ),
    (
        TREE, '"overlap":',
        "no_buffer with the prefix tree switches overlap off; write `overlap: false`, or `strategy: extra_buffer`",
    ),
    (
        TREE | {'"page_size":1': '"page_size":8'}, '"page_size":',
        "no_buffer with the prefix tree keeps states of single tokens, not of pages of 8; write `page_size: 1` or "
        "`strategy: extra_buffer`",
    ),
    (
        {'"tiny"': '"gpt-oss-20b"'}, '"mamba":',
        "gpt-oss-20b has no recurrent layers; leave `mamba` out, or write a model that has some: tiny, "
        "qwen3-next-80b-a3b",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "before", "line"), WRONG, ids=[line[:60] for _, _, line in WRONG])
def test_a_header_with_an_impossible_pool_is_one_line(run, changes, before, line):
    """By the rules of scenarios, where the value stands that `before` stands before."""
    path = run("after").folder / "ops.jsonl"
    header, rest = path.read_text().split("\n", 1)
    for old, new in changes.items():
        assert header.count(old) == 1
        header = header.replace(old, new)
    path.write_text(f"{header}\n{rest}")
    column = header.index(before) + len(before) + 1
    with pytest.raises(InputError) as caught:
        Recorded(path)
    assert str(caught.value) == f"{path}:1:{column}: {line}"


def test_a_header_may_have_what_a_server_would_not_start_but_the_release_can_play(run):
    """More rows than states, and speculation with one state for each request and a tree."""
    path = run("after").folder / "ops.jsonl"
    text = path.read_text().replace('"radix":false', '"radix":true').replace('"slots":12', '"slots":5')
    path.write_text(text.replace('"speculative":null', '"speculative":{"steps":3,"topk":1,"draft":4}'))
    assert Recorded(path).config.pool.mamba == MambaConfig(slots=5)
