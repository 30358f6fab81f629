"""Where two lists of marks part, and what is said about it."""

from __future__ import annotations

import pytest

from sim.cases.case import draw_case
from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.conform.compare import differs, explain, parts_at, play_case
from sim.conform.sides import Look, Model
from sim.conform.targets import parse
from sim.engines.marks import STEP, Crash
from sim.engines.protocol import Request
from sim.operations import Retract, Submit
from sim.world import Segment

FIRST = Crash("RuntimeError", "no room")
OTHER = Crash("AssertionError", "no room")


@pytest.mark.parametrize(
    ("ours", "theirs", "at"),
    [
        ([1, 2, 3], [1, 2, 3], None),
        ([1, 2, 3], [1, 5, 3], 1),
        ([1, 2], [1, 2, 3], 2),
        ([1, 2, 3], [1, 2], 2),
        ([1, FIRST], [1, Crash("RuntimeError", "other words")], None),
        ([1, FIRST], [1, OTHER], 1),
        ([1, FIRST], [1, 2], 1),
        ([1, 2], [1, FIRST], 1),
        ([], [], None),
    ],
)
def test_marks_part_where(ours, theirs, at):
    assert parts_at(ours, theirs) == at


def test_after_a_cut_ours_say_nothing_more():
    assert parts_at([1, 2], [1, 2, 3], cut=True) is None
    assert parts_at([1, 2], [1, 5, 3], cut=True) == 1
    assert parts_at([1, 2], [1], cut=True) == 1


def test_the_model_equals_itself():
    model = Model(parse("0.5.11"))
    outcomes = [play_case(draw_case(seed), model, Model(parse("0.5.11"))) for seed in range(6)]
    assert [outcome.differs_at for outcome in outcomes] == [None] * 6
    assert sum(outcome.length for outcome in outcomes) > 600


def test_another_release_differs_and_the_difference_is_told():
    ours, theirs = Model(parse("0.5.11")), Model(parse("0.5.11-22753"))
    differing = ((case, play_case(case, ours, theirs).differs_at) for case in map(draw_case, range(20)))
    case, at = next((case, at) for case, at in differing if at)
    said = explain(case.config, case.actions[: at + 1], ours, theirs)
    assert any("session_held" in line and " | " in line for line in said)
    assert explain(case.config, case.actions[:at], ours, theirs) == [
        "nothing differs when it is played again: the release is not deterministic"
    ]


def test_a_crash_on_one_side_is_told():
    class Crashing(Model):
        def look(self, config, actions):
            crash = Crash("RuntimeError", "no room", ("a.py:1 f", "b.py:2 g"))
            return Look(answer=None, snapshot=None, layout=None, crash=crash)

    case, ours = draw_case(0), Model(parse("0.5.11"))
    said = explain(case.config, case.actions[:3], ours, Crashing(parse("0.5.11")))
    assert said == ["crash: goes on | RuntimeError: no room at b.py:2 g < a.py:1 f"]


def test_a_fault_of_ours_equals_no_crash_of_the_release():
    class Broken(Model):
        def engine(self, config):
            engine = super().engine(config)
            engine.step = lambda: {}["missing"]
            return engine

    case = draw_case(0)
    marks = Broken(parse("0.5.11")).play(case.config, case.actions, watched=False).marks
    assert marks[-1].kind == "broken: KeyError"


@pytest.mark.parametrize("version", ["0.5.10.post1", "0.5.11"])
def test_a_forced_retract_waits_for_a_memory_test(version, real_side):
    """While all that are in the batch have ended there is none."""
    config = RunConfig(
        pool=PoolConfig(tokens=64, rows=4, context=96), scheduler=SchedulerConfig(max_running=4, session_gate=False)
    )
    one, two = (
        (0.0, Submit(what=Request(rid=rid, prompt=(Segment(name=rid, length=3),), max_new=out)))
        for rid, out in (("r1", 2), ("r2", 9))
    )
    forced = (0.0, Retract(rids=("r2",), how="memory"))
    for before in range(6):
        actions = [one, *[(0.0, STEP)] * before, forced, (0.0, STEP), two, *[(0.0, STEP)] * 12]
        assert differs(config, actions, Model(parse(version)), real_side(version)) is None, before
