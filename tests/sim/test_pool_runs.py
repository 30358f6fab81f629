"""A run with more pools: its log, its series, its header, its points, and playing it again."""

import json

import numpy as np
import pytest

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


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ('"window": 8', '"window": 0', "window is 0; write one or more"),
        ('"slots": 12', '"slots": 0', "slots is 0; write one or more"),
        ('"strategy": "no_buffer"', '"strategy": "none"', "strategy is 'none'; write one of no_buffer, extra_buffer"),
    ],
)
def test_a_header_with_an_impossible_pool_is_one_line(run, before, after, line):
    path = run("after").folder / "ops.jsonl"
    text = path.read_text()
    assert before.replace(" ", "") in text.replace(" ", "")
    path.write_text(text.replace(before, after).replace(before.replace(" ", ""), after.replace(" ", "")))
    with pytest.raises(Exception, match=line):
        Recorded(path)
