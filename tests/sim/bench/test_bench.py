"""The benchmarks say what they measure, and fail when a bound is passed. What they measure is not tested here."""

from __future__ import annotations

import json

import pytest

import sim.bench
from sim.bench.cases import Figure
from sim.bench.load import per_iteration, recorded, steady, timeout_cost, unaudited, with_all_pools


def _case(ratio):
    return lambda: iter([Figure(name="a thing / another", ratio=ratio, bound=1.5, note="1 → 2 µs")])


@pytest.mark.parametrize(("ratio", "status", "mark"), [(1.5, 0, "ok"), (1.51, 1, "OVER")])
def test_a_ratio_above_its_bound_fails_the_run(monkeypatch, capsys, tmp_path, ratio, status, mark):
    monkeypatch.setattr(sim.bench, "CASES", (_case(ratio),))
    assert sim.bench.main(tmp_path) == status
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("a thing / another")
    assert mark in line


def test_json_is_one_document(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sim.bench, "CASES", (_case(1.0), _case(2.0)))
    assert sim.bench.main(tmp_path, json=True) == 1
    document = json.loads(capsys.readouterr().out)
    assert [entry.get("holds") for entry in document] == [True, False, None]


def test_the_load_keeps_the_batch_full():
    marks = []
    config = steady(4)
    assert per_iteration(config, 4, 4096, notice=marks.append) > 0
    assert marks == [1, 2, 3, 4]
    assert unaudited(config).audit == "off"


def test_all_pools_are_in_use():
    config = with_all_pools(steady(4))
    assert config.pool.names == ("full", "swa", "mamba")
    assert per_iteration(config, 4, 2048) > 0


def test_the_unit_is_a_positive_time():
    assert timeout_cost(1000) > 0


def test_what_needs_a_source_is_skipped_with_a_clear_word(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sim.bench, "CASES", ())
    assert sim.bench.main(tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "replay --against sglang==0.5.11 / the release alone, 10,000 operations  skipped: no SGLang source: type "
        "kvledger oracle fetch 0.5.11"
    ]


def test_the_run_that_is_replayed_has_its_operations(tmp_path):
    lines = recorded(tmp_path, 500).read_text().splitlines()
    assert sum('"op":"step"' in line for line in lines) == 500
    assert sum('"op":"open"' in line for line in lines) == 32
