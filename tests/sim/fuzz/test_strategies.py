"""What is drawn: only what a server accepts and a scenario can say, all kinds of it, and the simplest first."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from sim.cases.pools import accepted
from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.engines.marks import STEP
from sim.engines.protocol import Request
from sim.fuzz.smallest import can_be_written
from sim.fuzz.strategies import cases, configs, operations, requests
from sim.fuzz.subject import Subject
from sim.fuzz.trial import Player
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract, Submit
from sim.world import Segment

CONFIG = RunConfig(pool=PoolConfig(tokens=96))
SETTINGS = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)  # fmt: skip


def simplest(strategy, condition=lambda _: True):
    return find(strategy, condition, settings=settings(database=None, derandomize=True))


@SETTINGS
@given(configs())
def test_every_configuration_is_accepted_by_a_server_and_can_be_written_as_a_scenario(config):
    assert accepted(config)
    assert can_be_written(Subject(), config)
    knobs = config.scheduler
    assert not (knobs.mixed_chunk and (knobs.speculative is not None or knobs.chunked_prefill is None))


@pytest.mark.parametrize(
    "condition",
    [
        lambda c: c.pool.swa is None and c.pool.mamba is None,
        lambda c: c.pool.swa is not None and c.pool.mamba is not None,
        lambda c: c.pool.mamba is not None and c.pool.mamba.strategy == "no_buffer" and not c.scheduler.overlap,
        lambda c: c.pool.mamba is not None and c.pool.mamba.strategy == "extra_buffer" and c.scheduler.overlap,
        lambda c: c.scheduler.speculative is not None and c.scheduler.speculative.topk > 1,
        lambda c: c.scheduler.spec_v2 and c.pool.page_size == 16,
        lambda c: c.scheduler.mixed_chunk and not c.scheduler.radix,
        lambda c: c.scheduler.preempts,
        lambda c: c.scheduler.eviction == "slru" and c.scheduler.conservativeness == 0.05,
        lambda c: c.scheduler.waiting_timeout is not None and c.scheduler.max_queued == 1,
    ],
)
def test_every_kind_of_configuration_is_drawn(condition):
    find(configs(), condition, settings=settings(SETTINGS, max_examples=20_000, phases=[Phase.generate]))


def test_what_is_asked_for_is_what_is_drawn():
    wanted = configs(pools=("swa",), pages=(4,), overlap=False, speculative=False, radix=False)
    for _ in range(3):
        found = simplest(wanted)
        assert found.pool.swa is not None
        assert found.pool.mamba is None
        assert found.pool.page_size == 4
        assert not found.scheduler.overlap
        assert found.scheduler.speculative is None
        assert not found.scheduler.radix


def test_the_simplest_configuration_is_small_and_plain():
    found = simplest(configs())
    assert found.pool == PoolConfig(tokens=48, rows=9, context=112)
    assert found.scheduler == SchedulerConfig(max_running=1, overlap=False, session_gate=False)


def test_a_knob_that_matters_is_all_that_is_left():
    found = simplest(configs(), lambda config: config.scheduler.max_queued is not None)
    assert found.pool == PoolConfig(tokens=48, rows=9, context=112)
    assert found.scheduler == SchedulerConfig(max_running=1, overlap=False, session_gate=False, max_queued=3)


def test_the_simplest_request_is_a_token_for_a_token():
    simple = Request(rid="r1", prompt=(Segment(name="r1", length=1),), max_new=1)
    assert simplest(requests("r1", CONFIG)) == simple
    assert simplest(requests("a/1", CONFIG, session="a", length=7)) == Request(
        rid="a/1", prompt=(Segment(name="a/1", length=7),), max_new=1, session="a"
    )


def test_requests_have_priorities_and_accepted_runs_only_where_they_mean_something():
    with pytest.raises(NoSuchExample):
        find(
            requests("r1", CONFIG), lambda r: r.priority is not None or r.accept != (1,),
            settings=settings(SETTINGS, max_examples=300),
        )  # fmt: skip


@pytest.mark.parametrize("kind", [Open, Submit, Abort, Close, Expire, Retract, Refuse])
def test_every_kind_of_operation_is_drawn(kind):
    find(operations(CONFIG), lambda what: isinstance(what, kind), settings=settings(SETTINGS, max_examples=2000))


def test_the_simplest_case_does_nothing_and_the_next_one_step():
    few = cases(st.just(CONFIG), most=5)
    assert simplest(few).actions == ()
    assert simplest(few, lambda case: case.actions).actions == ((0.0, STEP),)


@settings(SETTINGS, max_examples=30)
@given(cases(st.just(CONFIG)))
def test_cases_are_played_by_a_player(case):
    with Player(Subject()) as player:
        trial = player.play(case.config, case.actions)
    assert trial.ending in ("done", "stuck", "crash")
