"""The command line with a real engine; the model behind a worker stands for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.commandline import SCENARIO
from helpers.modelworker import ModelEngines

from sim import commands
from sim.engines.select import Choice, Engines
from sim.engines.sglang.source import Source
from sim.errors import InputError

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def stands_for(monkeypatch):
    """`--engine sglang==VERSION` is a model behind a worker; audits are off, for it is not watched as a release is."""

    def stand(version="0.5.11", **options):
        made = []

        def engines(choice):
            if not choice.real:
                return Engines(choice)
            made.append(ModelEngines(version, **options))
            return made[-1]

        monkeypatch.setattr("sim.engines.select.Engines", engines)
        return made

    return stand


def test_variants_that_the_engine_cannot_run_are_listed_with_the_reason(kvledger, stands_for):
    made = stands_for()
    variants = "  old: {release: sglang-0.5.10}\n  put: {revert: [22753], add: [22213]}\n"
    Path("s.yaml").write_text(SCENARIO.replace("  after: {}", variants + "  after: {}"))
    status, out, err = kvledger("run", "s.yaml", "--engine", "sglang==0.5.11", "--audit", "off")
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if "note" not in line] == [
        "scenario  variant  verdict  pool  size  event  it  seen by the release",
        "retract   before   clean                   23  19",
        "retract   after    clean                   23  19",
        "left out, as sglang 0.5.11 cannot run it:",
        "  retract  old  it is of sglang-0.5.10, and the engine is sglang 0.5.11",
        "  retract  put  it puts in #22213, which can be done to the model only",
        "report: out/report.html",
        "1 scenario, 1 as expected",
    ]
    assert not any(worker.alive for _, worker in made[0].started)


def test_what_is_left_out_stands_in_the_documents(kvledger, stands_for):
    stands_for()
    Path("s.yaml").write_text(SCENARIO.replace("  after: {}", "  old: {release: sglang-0.5.10}\n  after: {}"))
    status, out, _ = kvledger("run", "s.yaml", "--engine", "sglang==0.5.11", "--audit", "off", "--json")
    data = json.loads(out)
    assert status == 0
    assert list(data) == ["scenario", "variants", "left_out"]
    assert data["left_out"] == {"old": "it is of sglang-0.5.10, and the engine is sglang 0.5.11"}
    assert {name: entry["engine"] for name, entry in data["variants"].items()} == {
        "before": "sglang 0.5.11", "after": "sglang 0.5.11",
    }  # fmt: skip
    assert json.loads(Path("out/verdicts.json").read_text()) == data
    meta = json.loads(Path("out/retract/before/meta.json").read_text())
    assert (meta["engine"], meta["reverted"]) == ("sglang 0.5.11", [22862])
    assert meta["replay"] == "kvledger replay out/retract/before/ops.jsonl --engine sglang==0.5.11"
    assert (meta["versions"]["sglang"], meta["versions"]["sglang_source"]) == ("0.5.11", "/nowhere (fetched)")


def test_an_engine_that_can_run_nothing_is_status_2_and_still_lists(kvledger, stands_for):
    stands_for("0.5.10")
    status, out, err = kvledger("run", "s.yaml", "--engine", "sglang==0.5.10", "--audit", "off")
    assert status == 2
    assert out.splitlines()[0] == "left out, as sglang 0.5.10 cannot run it:"
    assert len(out.splitlines()) == 3
    assert err == "--engine sglang==0.5.10: no variant can be run on it; write another engine or scenario\n"


def test_an_engine_of_no_release_of_ours_runs_each_configuration_once(kvledger, stands_for):
    stands_for("0.5.12")
    variants = "  newer: {}\n  old: {release: sglang-0.5.10}\n  small: {pool: {tokens: 512}}\n"
    Path("s.yaml").write_text(SCENARIO.replace("  after: {}\n", "  after: {}\n" + variants))
    status, out, _ = kvledger("run", "s.yaml", "--engine", "sglang==0.5.12", "--audit", "off", "--json")
    data = json.loads(out)
    assert status == 0
    assert {name: entry["release"] for name, entry in data["variants"].items()} == {
        "after": "sglang 0.5.12", "small": "sglang 0.5.12",
    }  # fmt: skip
    assert data["left_out"] == {
        "before": "it takes out #22862, and sglang 0.5.12 need not have it",
        "newer": "it differs from after only by its release",
        "old": "it differs from after only by its release",
    }


def test_a_crash_shows_where_the_release_raised(kvledger, stands_for):
    stands_for(how="raise")
    Path("s.yaml").write_text(SCENARIO.partition("expect:")[0])
    status, out, _ = kvledger("run", "s.yaml", "--engine", "sglang==0.5.11", "--audit", "off", "--variant", "after")
    assert status == 1
    assert "raised at: a.py:1 f → b.py:2 g" in out
    entry = json.loads(Path("out/retract/after/verdicts.json").read_text())["variants"]["after"]
    assert entry["frames"] == ["a.py:1 f", "b.py:2 g"]


def test_a_recorded_run_is_played_on_another_engine(kvledger, stands_for):
    stands_for()
    kvledger("run", "s.yaml", "--variant", "before")
    ops = "out/retract/before/ops.jsonl"
    status, out, _ = kvledger("replay", ops, "--engine", "sglang==0.5.11", "--audit", "off")
    assert status == 0
    assert out.splitlines()[1].split() == ["retract", "before", "clean", "23", "19"]
    status, _, err = kvledger("replay", ops, "--engine", "sglang==0.5.11", "--release", "sglang-0.5.10")
    assert (status, err.count("\n")) == (2, 1)
    assert "it is of sglang-0.5.10, and the engine is sglang 0.5.11; write --release sglang-0.5.11 to play" in err


def test_lockstep_is_0_when_equal_and_1_at_a_difference(kvledger, stands_for):
    kvledger("run", "s.yaml", "--variant", "after")
    ops = "out/retract/after/ops.jsonl"
    made = stands_for()
    assert kvledger("replay", ops, "--against", "sglang==0.5.11") == (
        0, "equal: model of sglang-0.5.11 and sglang 0.5.11, 23 operations, 1 layout\n", "",
    )  # fmt: skip
    assert kvledger("replay", ops, "--against", "sglang==0.5.11", "--deep")[1].endswith("23 layouts\n")
    assert kvledger("replay", ops, "--against", "sglang==0.5.11", "--revert", "22862")[0] == 0
    stands_for(without=(22862,))
    status, out, err = kvledger("replay", ops, "--against", "sglang==0.5.11")
    assert (status, err) == (1, "")
    assert out.startswith(f"the engines differ after operation 10 ({ops}:11, ")
    status, out, err = kvledger("replay", ops, "--against", "sglang==0.5.11", "--json")
    assert (status, err, json.loads(out)["difference"]["operation"]) == (1, "", 10)
    assert not any(worker.alive for engines in made for _, worker in engines.started)


def test_ctrl_c_ends_the_workers(kvledger, stands_for, monkeypatch):
    made = stands_for()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.clock.Clock.run", interrupted)
    status, _, _ = kvledger("run", "s.yaml", "--engine", "sglang==0.5.11", "--audit", "off")
    assert status == 130
    assert [worker.alive for _, worker in made[0].started] == [False]


@pytest.mark.parametrize(
    ("one", "other", "mine"),
    [
        ("sglang==0.5.11", "sglang", False),
        ("sglang", "sglang==0.5.11", True),
        ("sglang==0.5.12", "sglang==0.5.11", False),
        ("sglang==0.5.11", "sglang==0.5.12", True),
        ("sglang==0.5.10.post1", "sglang==0.5.12", True),
        ("sglang==0.5.11", "sglang==0.5.11", True),
        ("sglang", "sglang", True),
    ],
)
def test_the_path_is_that_of_the_tree_that_is_compared_with_a_release(kvledger, monkeypatch, one, other, mine):
    seen = []

    def engines(choice):
        seen.append((choice.spec, choice.path))
        raise InputError("enough")

    def tree(spec, *, path, cache):
        return Source(path=path, version="0.5.11", origin="path")

    monkeypatch.setattr("sim.engines.sglang.source.find_source", tree)
    monkeypatch.setattr("sim.engines.select.Engines", engines)
    kvledger("replay", "o", "--engine", one, "--against", other, "--sglang-src", "tree")
    assert seen == [(one, Path("tree") if mine else None)]


@pytest.mark.parametrize(
    ("one", "other", "theirs"),
    [
        ("sglang==0.5.11", "sglang", True),
        ("sglang", "sglang==0.5.11", False),
        ("sglang==0.5.12", "sglang==0.5.11", True),
        ("sglang==0.5.11", "sglang==0.5.12", False),
        ("sglang==0.5.11", "sglang==0.5.11", False),
        ("sglang", "sglang", True),
    ],
)
def test_the_path_is_not_that_of_the_other(monkeypatch, one, other, theirs):
    def tree(spec, *, path, cache):
        return Source(path=path, version="0.5.11", origin="path")

    monkeypatch.setattr("sim.engines.sglang.source.find_source", tree)
    _, second = commands._whose_path(*(Choice(spec=spec, path=Path("tree")) for spec in (one, other)))
    assert second.path == (Path("tree") if theirs else None)


def test_sources_in_the_cache_are_listed(kvledger, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("cache").resolve()))
    assert kvledger("oracle", "list") == (0, "", "")
    for version in ("0.5.11", "0.5.10.post1"):
        file = Path("cache/kvledger/sglang", version, "sglang/srt/managers/scheduler.py")
        file.parent.mkdir(parents=True)
        file.touch()
    out = kvledger("oracle", "list")[1]
    assert [line.split()[:2] for line in out.splitlines()] == [["sglang", "0.5.10.post1"], ["sglang", "0.5.11"]]
    assert kvledger("oracle", "fetch", "0.5.11")[:2] == (0, out.splitlines()[1] + "\n")
