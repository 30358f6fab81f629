"""A case that differs is cut down to what is needed for that."""

from __future__ import annotations

from dataclasses import replace

from sim.cases.case import draw_case
from sim.cases.pools import accepted
from sim.cases.shrink import Shrinking, flat, lumps
from sim.config import MambaConfig
from sim.conform.compare import differs
from sim.conform.sides import Model
from sim.conform.targets import parse
from sim.engines.marks import REAP, STEP
from sim.engines.protocol import Request
from sim.operations import Abort, Submit
from sim.scenario.pools import SMALLEST_POOL
from sim.world import Segment

CASE = draw_case(0)
LONG = Request(rid="r1", prompt=(Segment(name="x", length=9),), max_new=13, stop_at=5, priority=3, accept=(2,))


def shrunk(wanted, actions=CASE.actions, config=CASE.config):
    """What is left where `wanted` finds a difference."""
    return Shrinking(config, actions, wanted).shrink()


def test_only_the_operation_that_matters_is_left():
    def third_step(config, actions):
        steps = [at for at, (_, what) in enumerate(actions) if what == STEP]
        return steps[2] if len(steps) > 2 else None

    _, actions = shrunk(third_step)
    assert [what for _, what in actions] == [STEP] * 3
    assert {time for time, _ in actions} == {0.0}


def test_numbers_become_simple():
    def submitted(config, actions):
        return next((at for at, (_, what) in enumerate(actions) if isinstance(what, Submit)), None)

    _, actions = shrunk(submitted, [(0.5, Submit(what=LONG))])
    (_, what), = actions
    assert what.what == Request(rid="r1", prompt=(Segment(name="r1", length=1),), max_new=1)


def test_a_number_that_matters_stays():
    def long_output(config, actions):
        return 0 if actions and isinstance(actions[0][1], Submit) and actions[0][1].what.max_new >= 7 else None

    _, actions = shrunk(long_output, [(0.0, Submit(what=LONG))])
    assert actions[0][1].what.max_new == 7


def test_knobs_go_back_to_what_they_are_by_default():
    knobs = replace(CASE.config.scheduler, policy="lof", retract_steps=7, overlap=True)
    config, _ = shrunk(lambda config, actions: 0 if config.scheduler.retract_steps == 7 else None,
                       config=replace(CASE.config, scheduler=knobs))  # fmt: skip
    assert config.scheduler.policy == "fcfs"
    assert config.scheduler.retract_steps == 7
    assert not config.scheduler.overlap


def test_pools_that_do_not_matter_go():
    case = next(case for case in map(draw_case, range(40)) if case.cell.pools == "both")
    config, _ = shrunk(lambda config, actions: 0, config=case.config)
    assert config.pool.names == ("full",)


def test_no_configuration_is_tried_that_a_server_would_refuse():
    mamba = MambaConfig(slots=20)
    pool = replace(CASE.config.pool, swa=None, mamba=mamba, page_size=4)
    knobs = replace(CASE.config.scheduler, radix=False, chunked_prefill=16, overlap=True, speculative=None)
    tried = []

    def wanted(config, actions):
        tried.append(config)
        return 0 if config.pool.mamba is not None else None

    shrunk(wanted, config=replace(CASE.config, pool=pool, scheduler=knobs))
    assert len(tried) > 3
    assert all(accepted(config) for config in tried)


def test_time_is_bounded():
    shrinking = Shrinking(CASE.config, CASE.actions, lambda config, actions: len(actions) - 1, seconds=0.0)
    assert shrinking.shrink() == (CASE.config, list(CASE.actions))


def steps(count):
    return [(0.0, STEP)] * count


def test_consecutive_iterations_are_one_lump():
    actions = [*steps(3), (0.0, Abort(request="a")), *steps(1), (0.0, REAP), *steps(2)]
    assert [len(group) for group in lumps(actions)] == [3, 1, 1, 1, 2]
    assert flat(lumps(actions)) == actions


def test_no_more_iterations_than_it_takes():
    def wanted(config, actions):
        count = sum(what == STEP for _, what in actions)
        return len(actions) - 1 if count >= 5 and actions[0][1] != STEP else None

    _, actions = shrunk(wanted, [(0.0, Abort(request="a")), *steps(90)])
    assert len(actions) == 6


def test_time_goes_where_it_does_not_matter():
    def late(config, actions):
        return next((at for at, (time, what) in enumerate(actions) if what == STEP and time >= 2.0), None)

    _, actions = shrunk(late, [(0.5, Abort(request="a")), (1.0, STEP), (2.5, STEP), (9.0, STEP)])
    assert len(actions) == 1


def test_a_session_goes_with_all_its_turns():
    turns = [(0.0, Submit(what=replace(LONG, rid=f"{name}/{n}", session=name))) for n in (1, 2) for name in "ab"]

    def of_b(config, actions):
        left = [what.what.session for _, what in actions if isinstance(what, Submit)]
        return len(actions) - 1 if left.count("a") in (0, 2) and "b" in left else None

    _, actions = shrunk(of_b, turns)
    assert [what.what.session for _, what in actions] == ["b"]


def test_pools_get_as_small_as_they_may():
    config, _ = shrunk(lambda config, actions: 0 if config.pool.rows >= 2 else None)
    assert config.pool.tokens == SMALLEST_POOL
    assert config.pool.rows == 2
    assert config.pool.page_size == 1


def test_attempts_are_bounded_and_what_failed_is_not_tried_again():
    tried = []

    def wanted(config, actions):
        tried.append((config, tuple(actions)))
        return len(actions) - 1 if len(actions) > 40 else None

    shrinking = Shrinking(CASE.config, CASE.actions, wanted, attempts=70)
    shrinking.shrink()
    assert len(tried) == shrinking.tried == 70
    tried.clear()
    Shrinking(CASE.config, CASE.actions, wanted).shrink()
    failed = [each for each in tried if len(each[1]) <= 40]
    assert len(failed) == len(set(failed))


def test_a_configuration_that_is_not_accepted_is_not_kept():
    shrinking = Shrinking(
        CASE.config, CASE.actions, lambda config, actions: 0, accepts=lambda config: config.pool.tokens > 20
    )
    config, _ = shrinking.shrink()
    assert config.pool.tokens == 21


def test_a_difference_between_two_releases_stays_one():
    ours, theirs = Model(parse("0.5.11")), Model(parse("0.5.11-22753"))

    def wanted(config, actions):
        return differs(config, actions, ours, theirs)

    case = next(case for case in map(draw_case, range(20)) if wanted(case.config, case.actions) is not None)
    config, actions = shrunk(wanted, case.actions, case.config)
    assert len(actions) < 30
    assert wanted(config, actions) == len(actions) - 1
