"""A case that differs is cut down to what is needed for that."""

from __future__ import annotations

from dataclasses import replace

from sim.cases.case import draw_case
from sim.cases.pools import accepted
from sim.cases.shrink import Shrinking
from sim.cases.simpler import plainer, simpler_operations
from sim.config import MambaConfig
from sim.conform.compare import differs
from sim.conform.sides import Model
from sim.conform.targets import parse
from sim.engines.marks import STEP
from sim.engines.protocol import Request
from sim.operations import Abort, Open, Refuse, Retract, Submit
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


def test_a_plain_configuration_without_chunks_mixes_none():
    knobs = replace(CASE.config.scheduler, chunked_prefill=16, mixed_chunk=True)
    for way in plainer(replace(CASE.config, scheduler=knobs)):
        changed = way(replace(CASE.config, scheduler=knobs)).scheduler
        assert changed.chunked_prefill is not None or not changed.mixed_chunk


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


def test_simpler_operations_are_of_the_same_kind():
    several = Retract(rids=("a", "b"), how="pause")
    assert [o.rids for o in simpler_operations(several)] == [("a",), ("b",)]
    assert list(simpler_operations(Open(session="a", timeout=1.0))) == [Open(session="a")]
    assert list(simpler_operations(Refuse(request="a", times=2))) == [Refuse(request="a", times=1)]
    assert list(simpler_operations(Abort(request="a"))) == []
    assert list(simpler_operations(STEP)) == []


def test_a_difference_between_two_releases_stays_one():
    ours, theirs = Model(parse("0.5.11")), Model(parse("0.5.11-22753"))

    def wanted(config, actions):
        return differs(config, actions, ours, theirs)

    case = next(case for case in map(draw_case, range(20)) if wanted(case.config, case.actions) is not None)
    config, actions = shrunk(wanted, case.actions, case.config)
    assert len(actions) < 30
    assert wanted(config, actions) == len(actions) - 1
