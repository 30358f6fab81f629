"""What a finding leaves runs by itself, and shows the same."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sim.cases.case import Case
from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.engines.marks import STEP
from sim.engines.protocol import Request
from sim.fuzz.campaign import make
from sim.fuzz.found import Found
from sim.fuzz.leave import file_of_test, leave_drawn
from sim.fuzz.regression import assert_clean
from sim.fuzz.subject import Subject
from sim.fuzz.trial import Player
from sim.operations import Open, Retract, Submit
from sim.replay import replay
from sim.run import load_all, run_variant
from sim.world import Segment

NAMES = {
    "scenario.yaml", "ops.jsonl", "events.jsonl", "series.npz", "verdicts.json", "meta.json", "report.html",
}  # fmt: skip
SUBJECT = Subject(revert=(22862,))
TURN = Request(rid="s/1", prompt=(Segment(name="s/1", length=20),), max_new=12, session="s")
CASE = Case(
    seed=9,
    config=RunConfig(
        pool=PoolConfig(tokens=64, rows=4, context=96), scheduler=SchedulerConfig(max_running=4, overlap=False), seed=9
    ),
    actions=(
        (0.0, Open(session="s")), (0.1, Submit(what=TURN)), *[(0.2, STEP)] * 4,
        (0.3, Retract(rids=("s/1",), how="pause")), *[(0.4, STEP)] * 16,
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def found():
    with Player(SUBJECT) as player:
        (seen,) = player.play(CASE.config, CASE.actions).seen
    return Found(origin="seed 9", case=CASE, fault=seen.fault, size=seen.verdict.size)


@pytest.fixture(scope="module")
def made(found, tmp_path_factory):
    return make(SUBJECT, found, 400, tmp_path_factory.mktemp("out"))


def test_a_folder_of_fixed_names(made):
    assert made.left.problem is None
    assert made.left.folder.name == "leak-full-seed-9"
    assert {path.name for path in made.left.folder.iterdir()} >= NAMES


def test_the_scenario_gives_the_same_verdict_as_expected(made):
    (scenario,) = load_all([made.left.folder / "scenario.yaml"])
    result = run_variant(scenario, scenario.variants["default"])
    assert result.ok
    assert result.judged
    own = made.small.own.verdict
    (verdict,) = result.verdicts
    assert (verdict.verdict, verdict.pool, verdict.size) == (own.verdict, own.pool, own.size)
    assert verdict.cause.what == own.cause.what


def test_the_recorded_operations_give_it_too(made):
    result = replay(made.left.folder / "ops.jsonl")
    assert [v.cause.what for v in result.verdicts] == [made.small.own.verdict.cause.what]
    told = json.loads((made.left.folder / "verdicts.json").read_text())
    assert told["variants"]["default"]["verdicts"][0]["size"] == -1


def test_the_smallest_case_has_first_names_and_few_operations(made):
    text = (made.left.folder / "scenario.yaml").read_text(encoding="utf-8")
    assert "- {submit: a/1, session: a, " in text
    assert made.small.operations <= 5


def test_the_test_fails_as_long_as_the_fault_is_there(made):
    path = made.left.folder / file_of_test(made.left.folder)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)],
        capture_output=True, text=True, check=False, cwd=made.left.folder,
    )  # fmt: skip
    assert run.returncode == 1, run.stdout
    assert "leak -1 in pool full" in run.stdout


def test_the_test_passes_once_the_fault_is_gone(made, tmp_path):
    text = (made.left.folder / "scenario.yaml").read_text(encoding="utf-8")
    mended = tmp_path / "scenario.yaml"
    mended.write_text(text.replace("revert: [22862]\n", ""), encoding="utf-8")
    assert_clean(mended)


def test_a_fault_that_is_accepted_does_not_fail(made, tmp_path):
    fault = made.small.fault
    known = tmp_path / "known.yaml"
    known.write_text(f"faults: [{{verdict: {fault.verdict}, cause: {fault.cause!r}}}]", encoding="utf-8")
    with pytest.raises(AssertionError, match="leak -1 in pool full"):
        assert_clean(made.left.folder / "scenario.yaml")
    assert_clean(made.left.folder / "scenario.yaml", accept=[known])


def test_the_drawn_case_is_written_at_once_and_shows_it_too(found, tmp_path):
    left = leave_drawn(SUBJECT, found, found.folder(tmp_path))
    (scenario,) = load_all([left.folder / "scenario.yaml"])
    result = run_variant(scenario, scenario.variants["default"])
    assert [(v.verdict, v.size) for v in result.verdicts] == [("leak", -1)]
    assert left.command == f"kvledger run {left.folder}/scenario.yaml"


def test_what_cannot_be_written_is_said(found, tmp_path):
    (tmp_path / "file").write_text("")
    left = leave_drawn(SUBJECT, found, tmp_path / "file" / "below")
    assert left.problem is not None
    assert "cannot be written" in left.problem
