"""The command behind `make conform`."""

from __future__ import annotations

from collections import Counter

import pytest
from helpers.sources import source_of

from sim.conform.__main__ import main
from sim.conform.runner import BATCH, Plan, batches, total
from sim.conform.targets import WHOLE, parse
from sim.engines.sglang.source import Source


@pytest.fixture
def no_source(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sim.engines.sglang.source._installed", lambda: None)


@pytest.mark.usefixtures("no_source")
def test_without_a_source_it_says_in_one_line_what_to_type(capsys):
    assert main(["--cases", "1"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "kvledger oracle fetch 0.5.10.post1" in said.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--cases", "0"], "--cases"),
        (["--jobs", "0"], "--jobs"),
        (["--target", "0.4.0"], "0.5.11"),
        (["--source", "/somewhere"], "VERSION=PATH"),
        (["--pools", "swa,ring"], "extra_buffer"),
        (["--pools", ""], "full, swa"),
    ],
)
def test_wrong_input_is_said_in_one_line(arguments, word, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1


def plan(tmp_path, **changes):
    source = Source(path=tmp_path, version="0.5.11", origin="path")
    known = {
        "targets": WHOLE, "sources": dict.fromkeys(("0.5.10.post1", "0.5.11"), source), "first_seed": 5, "cases": 300,
        "minutes": None, "jobs": 2, "out": tmp_path,
    }  # fmt: skip
    return Plan(**{**known, **changes})


def test_every_target_plays_every_seed_once(tmp_path):
    played = [(batch.target, seed) for batch in batches(plan(tmp_path)) for seed in batch.seeds]
    assert sorted(played, key=lambda p: (p[0].name, p[1])) == [(t, s) for t in WHOLE for s in range(5, 305)]
    assert max(len(batch.seeds) for batch in batches(plan(tmp_path))) <= BATCH


def test_a_fix_of_one_kind_of_pools_is_played_there_only(tmp_path):
    windowed, recurrent = parse("0.5.11-22900"), parse("0.5.11-23327")
    chosen = plan(tmp_path, targets=(*WHOLE, windowed, recurrent), pools=("full", "swa"), cases=240)
    played = Counter(batch.target.name for batch in batches(chosen) for _ in batch.seeds)
    assert played == {WHOLE[0].name: 240, WHOLE[1].name: 240, windowed.name: 120}
    assert total(chosen) == 600


def test_rounds_by_time_take_fresh_seeds(tmp_path):
    rounds = batches(plan(tmp_path, minutes=1.0, cases=10))
    seeds = [next(rounds).seeds for _ in range(4)]
    assert seeds == [tuple(range(5, 15))] * 2 + [tuple(range(15, 25))] * 2


def test_a_small_run_ends_well(tmp_path, capsys):
    for target in WHOLE:
        source_of(target.version)
    assert main(["--cases", "8", "--jobs", "1", "--target", "0.5.11", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "no difference" in said.out
    assert "8 of 478 cells" in said.out
    assert "seeds 0 to 7" in said.out
    assert "8 of 8 cases" in said.err
