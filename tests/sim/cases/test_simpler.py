"""What is a little simpler: operations, configurations, names."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sim.cases.case import draw_case
from sim.cases.simpler import (
    plainer,
    renamed,
    simpler_operations,
    smaller,
    smaller_pools,
    subjects,
    without_subject,
)
from sim.engines.marks import STEP
from sim.engines.protocol import Request
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract, Submit
from sim.world import Segment

CASE = draw_case(0)


def submit(rid, session=None, text=None):
    prompt = (Segment(name=text or rid, length=3),)
    return 0.0, Submit(what=Request(rid=rid, prompt=prompt, max_new=2, session=session))


def test_a_plain_configuration_without_chunks_mixes_none():
    knobs = replace(CASE.config.scheduler, chunked_prefill=16, mixed_chunk=True)
    for way in plainer(replace(CASE.config, scheduler=knobs)):
        changed = way(replace(CASE.config, scheduler=knobs)).scheduler
        assert changed.chunked_prefill is not None or not changed.mixed_chunk


def test_simpler_operations_are_of_the_same_kind():
    several = Retract(rids=("a", "b"), how="pause")
    assert [o.rids for o in simpler_operations(several)] == [("a",), ("b",)]
    assert list(simpler_operations(Open(session="a", timeout=1.0))) == [Open(session="a")]
    assert list(simpler_operations(Refuse(request="a", times=2))) == [Refuse(request="a", times=1)]
    assert list(simpler_operations(Abort(request="a"))) == []
    assert list(simpler_operations(STEP)) == []


@given(st.integers(-3, 500), st.integers(1, 40))
def test_smaller_numbers_the_least_first_each_once(number, least):
    found = list(smaller(number, least))
    assert all(least <= each < number for each in found)
    assert found == sorted(set(found))
    assert bool(found) is (number > least)
    assert not found or {found[0], found[-1]} == {least, max(least, number - 1)}


def test_smaller_pools_differ_in_one_thing_and_stay_whole():
    for seed in range(0, 478, 9):
        config = draw_case(seed).config
        for other in smaller_pools(config):
            assert other != config
            pool = other.pool
            assert pool.tokens % pool.page_size == 0
            assert pool.swa is None or pool.swa.tokens <= pool.tokens
            assert pool.mamba is None or pool.mamba.slots >= config.pool.rows
            assert pool.rows >= other.scheduler.max_running or pool.rows == config.pool.rows


def test_who_is_named_sessions_first():
    actions = [submit("r1"), (0.0, Open(session="b")), submit("b/1", "b"), (0.0, STEP), (0.0, Abort(request="x"))]
    assert subjects(actions) == ["b", "r1", "b/1"]


def test_without_a_session_all_about_it_goes():
    actions = [(0.0, Open(session="b")), submit("b/1", "b"), submit("r1"), (0.0, Close(session="b")), (0.0, STEP)]
    assert without_subject(actions, "b") == [submit("r1"), (0.0, STEP)]
    assert without_subject(actions, "r1") == [actions[0], actions[1], actions[3], actions[4]]


def test_first_names_everywhere():
    actions = [
        (0.0, Open(session="h")), submit("h/4", "h"), submit("r7", text="h/4"), submit("h/6", "h"),
        (0.0, Retract(rids=("h/6", "r7"), how="pause")), (0.0, Refuse(request="h/6", times=2)), (0.0, STEP),
        (0.0, Abort(request="h")), (0.0, Abort(request="stray")), (0.0, Expire(session="h")), (0.0, Close(session="h")),
    ]  # fmt: skip
    assert renamed(actions) == [
        (0.0, Open(session="a")), submit("a/1", "a"), submit("r1", text="a/1"), submit("a/2", "a"),
        (0.0, Retract(rids=("a/2", "r1"), how="pause")), (0.0, Refuse(request="a/2", times=2)), (0.0, STEP),
        (0.0, Abort(request="a")), (0.0, Abort(request="stray")), (0.0, Expire(session="a")), (0.0, Close(session="a")),
    ]  # fmt: skip


def test_renaming_twice_changes_nothing_more():
    for seed in range(5):
        once = renamed(draw_case(seed).actions)
        assert renamed(once) == once
