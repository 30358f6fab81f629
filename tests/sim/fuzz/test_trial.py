"""One case played: what it shows, where, and what happened."""

from __future__ import annotations

import pytest

from sim.clock import PATIENCE
from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.engines.marks import STEP
from sim.engines.protocol import Request
from sim.fuzz.campaign import case_of
from sim.fuzz.subject import Subject
from sim.fuzz.trial import Player
from sim.operations import Open, Retract, Submit
from sim.world import Segment

CONFIG = RunConfig(
    pool=PoolConfig(tokens=64, rows=4, context=96), scheduler=SchedulerConfig(max_running=4, overlap=False)
)


def turn(rid, prompt, output, session="a"):
    return 0.0, Submit(
        what=Request(rid=rid, prompt=(Segment(name=rid, length=prompt),), max_new=output, session=session)
    )


RESUMED = [
    (0.0, Open(session="a")), turn("a/1", 20, 12), *[(0.0, STEP)] * 4, (0.0, Retract(rids=("a/1",), how="pause")),
    *[(0.0, STEP)] * 16,
]  # fmt: skip


def test_the_operation_by_which_a_fault_is_known(player):
    trial = player(Subject(revert=(22862,))).play(CONFIG, RESUMED)
    (seen,) = trial.seen
    assert (seen.fault.verdict, seen.verdict.size) == ("leak", -1)
    assert seen.at < len(RESUMED)
    cut = player(Subject(revert=(22862,))).play(CONFIG, RESUMED[: seen.at + 1])
    assert cut.shows(seen.fault)
    assert RESUMED[seen.at - 1][1] == Retract(rids=("a/1",), how="pause")
    assert not player(Subject(revert=(22862,))).play(CONFIG, RESUMED[: seen.at - 1]).seen


def test_with_the_fix_nothing_is_seen(player):
    trial = player(Subject()).play(CONFIG, RESUMED)
    assert trial.seen == []
    assert trial.ending == "done"


def test_work_that_waits_at_the_end_is_given_time_to_be_stuck(player):
    trial = player(Subject()).play(CONFIG, [turn("r1", 63, 9, session=None)])
    assert trial.ending in ("done", "stuck")
    tight = RunConfig(
        pool=PoolConfig(tokens=16, rows=2, context=96),
        scheduler=SchedulerConfig(max_running=2, overlap=False, conservativeness=1.0),
    )
    blocked = [(0.0, Open(session="a")), turn("a/1", 7, 1), *[(0.0, STEP)] * 3, turn("r1", 8, 2, session=None)]
    trial = player(Subject()).play(tight, blocked)
    assert trial.ending == "stuck"
    assert [seen.fault.verdict for seen in trial.seen] == ["stuck"]
    assert len(trial.actions) == len(blocked) + PATIENCE
    assert player(Subject()).play(tight, trial.actions).ending == "stuck"


def test_what_happened_is_counted_where_it_is_asked_for(player):
    one = player(Subject())
    trial = one.play(CONFIG, RESUMED, counted=True)
    assert trial.operations["step"] == 20
    assert trial.events["forced retract, paused"] == 1
    assert not one.play(CONFIG, RESUMED).events


@pytest.mark.parametrize("seed", [3, 30, 300])
def test_a_case_shows_the_same_whoever_counts(player, seed):
    case = case_of(seed, "sglang-0.5.11")
    one = player(Subject())
    counted, plain = (one.play(case.config, case.actions, counted=c) for c in (True, False))
    assert [(s.fault, s.at) for s in counted.seen] == [(s.fault, s.at) for s in plain.seen]


def test_a_player_leaves_no_process_behind():
    with Player(Subject()) as one:
        assert one.play(CONFIG, RESUMED).iterations == 20
