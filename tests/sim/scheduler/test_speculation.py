"""Speculative rounds: the worked timeline under overlap, and the walk without it."""

import pytest
from helpers.kvtest import new_scheduler
from helpers.rig import Rig
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.config import SpeculativeConfig

EAGLE = SpeculativeConfig(steps=3, topk=1, draft=4)


def timeline(**more):
    """Prompt 20, 12 output tokens, runs of 3, 4, 4: (c, a, out) at the end of every iteration."""
    rig = Rig(speculative=EAGLE, **more)
    rig.open("a")
    rig.turn("a/1", 20, 12, accept=(3, 4, 4))
    rig.step()
    req, seen = rig.request("a/1"), []
    while not req.finished:
        seen.append((req.committed, req.allocated, req.out))
        rig.step()
    slot = rig.slot("a")
    return [*seen, (slot.committed, slot.allocated, req.out)], rig


def test_the_worked_timeline_of_0_5_11():
    rows, _ = timeline(decide={"overshoot": "kept"})
    assert rows == [(20, 20, 0), (21, 28, 1), (24, 29, 4), (28, 32, 8), (32, 36, 12)]


def test_the_same_run_in_0_5_10_ends_with_31_and_35():
    rows, _ = timeline(release="sglang-0.5.10")
    assert rows == [(20, 20, 0), (20, 28, 1), (23, 28, 4), (27, 31, 8), (31, 35, 12)]


def test_0_5_11_trims_the_four_slots_beyond_the_text():
    rows, rig = timeline()
    assert rows[-1] == (32, 32, 12)
    assert rig.terms.delta == 0


@pytest.mark.parametrize(("accept", "out"), [((4,), 13), ((1,), 12), ((3,), 13), ((2, 4), 13)])
def test_the_finishing_round_may_overshoot(accept, out):
    rig = Rig(revert=[22897], speculative=EAGLE)
    rig.open("a")
    rig.turn("a/1", 20, 12, accept=accept)
    rig.step()
    req = rig.request("a/1")
    rig.drain()
    assert (req.out, req.finished_len) == (out, 12)


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple),
    st.integers(1, 30),
    st.sampled_from([1, 4, 16]),
)
@settings(max_examples=30, deadline=None)
def test_under_overlap_a_round_has_room_for_itself_and_the_one_in_flight(accept, max_new, page):
    rig = Rig(speculative=EAGLE, page_size=page, tokens=960)
    rig.send("r", 20, max_new, accept=accept)
    rig.step()
    req = rig.request("r")
    while not req.finished:
        assert req.committed <= req.allocated <= req.committed + 2 * EAGLE.alloc_len
        assert req.device_len <= req.allocated
        rig.step()
    rig.drain()
    assert max_new <= req.out <= max_new + 3
    assert (rig.terms.delta, rig.kinds) == (0, [])


# -- without overlap --------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple),
    st.integers(1, 30),
    st.sampled_from([1, 4, 16]),
)
@settings(max_examples=30, deadline=None)
def test_without_overlap_the_walk_stops_at_the_limit_and_rejected_slots_come_back(accept, max_new, page):
    rig = Rig(speculative=EAGLE, overlap=False, page_size=page, tokens=960)
    rig.send("r", 20, max_new, accept=accept)
    rig.step()
    req, outs, rounds = rig.request("r"), [1], iter(accept * 30)
    while outs[-1] < max_new:
        assert (req.committed, req.allocated, req.out) == (19 + outs[-1],) * 2 + (outs[-1],)
        assert rig.terms.delta == 0
        outs.append(min(outs[-1] + next(rounds), max_new))
        rig.step()
    rig.drain()
    assert (req.out, req.finished_len) == (max_new, max_new)
    assert (rig.terms.delta, rig.terms.uncached, rig.kinds) == (0, 0, [])


def test_without_overlap_the_walk_stops_at_an_eos_inside_the_run():
    rig = Rig(speculative=EAGLE, overlap=False)
    rig.open("a")
    rig.run_turn("a/1", 20, 30, accept=(4,), stop_at=7)
    (state,) = rig.engine.snapshot().sessions
    assert (state.c, state.a, state.history) == (26, 26, 27)


@pytest.mark.parametrize(
    ("config", "page", "count", "need"),
    [
        (EAGLE, 1, 2, 8),
        (EAGLE, 16, 2, 32),
        (SpeculativeConfig(steps=5, topk=4, draft=8), 1, 3, 60),
        (SpeculativeConfig(steps=1, topk=1, draft=2), 1, 5, 10),
    ],
)
def test_what_a_round_without_overlap_may_need(config, page, count, need):
    scheduler = new_scheduler(page_size=page, tokens=960, speculative=config, overlap=False)
    assert scheduler.speculation.v1_need(count) == need


def test_under_pairs_the_last_token_of_a_finished_text_is_not_cached():
    rig = Rig(speculative=EAGLE, overlap=False)
    rig.send("r", 20, 6, accept=(1,))
    rig.drain()
    assert rig.terms.evictable == 20 + 5 - 1


def test_two_turns_on_one_row_give_back_what_was_allocated_for_each():
    # Whom a refused turn has let in beside the running one works on the same row (0.5.11 clears the in-flight mark).
    rig = Rig(overlap=False, speculative=EAGLE)
    rig.open("a")
    rig.turn("a/1", 1, 1, accept=(1,))
    rig.step()
    rig.turn("a/2", 1, 9, accept=(1,))
    rig.turn("a/3", 1, 1, accept=(1,))
    rig.step()
    rig.turn("a/4", 1, 9, accept=(1,))
    rig.step()
    rig.step()
    assert rig.request("a/2").row == rig.request("a/4").row is not None
    memory = rig.engine.scheduler.memory
    free = memory.backend.get(memory.allocator.free_list.view()).tolist()
    assert len(set(free)) == len(free)
