"""The state copied for a request that is refused: kept, freed, freed although a session names it."""

import pytest
from helpers.rig import Rig

from sim.config import MambaConfig
from sim.engines.protocol import Request
from sim.ledger.owners import NOBODY
from sim.world import Segment

NEW, OLD = "sglang-0.5.11", "sglang-0.5.10"


def rig_of(release=NEW, **more):
    """With preemption admission is tried anew in every iteration, whatever the last attempt said."""
    return Rig(release, mamba=MambaConfig(slots=30), overlap=False, audit="off", priority=True, preemption=True, **more)


def mamba(rig):
    return rig.engine.snapshot().pools["mamba"]


def idle_session(release=NEW, **more):
    """A session after its first turn: one state in the tree under its lock, one in its slot."""
    rig = rig_of(release, **more)
    rig.open("s")
    rig.run_turn("s/1", 20, 6)
    return rig


def refused(rig, times):
    """A second turn that finds no memory `times` times; nothing else runs."""
    rig.refuse("s/2", 100)
    rig.turn("s/2", 10, 4)
    rig.step(times)
    return rig


REFUSALS = [(0, 28, 0), (1, 29, 1), (9, 37, 9), (10, 38, 10)]
"""Refused attempts, available states, how many more the books have than there are."""


@pytest.mark.parametrize(("times", "available", "surplus"), REFUSALS)
def test_each_refused_turn_of_a_session_frees_the_state_that_its_slot_names(times, available, surplus):
    rig = refused(idle_session(revert=[23327]), times)
    terms = mamba(rig)
    assert (terms.available, terms.protected, terms.session_held, terms.uncached) == (available, 1, 1, 0)
    assert terms.delta == surplus
    slot = rig.slot("s").state.slot
    free = rig.engine.layout().free["mamba"]
    assert free.count(slot) == times


@pytest.mark.parametrize(("times", "used_beyond_protected"), [(0, 1), (1, 0), (9, -8), (10, -9)])
def test_0_5_10_sees_a_false_alarm_without_a_refusal_and_nothing_after_one(times, used_beyond_protected):
    rig = refused(idle_session(OLD), times)
    terms = mamba(rig)
    assert terms.total - terms.available - terms.evictable - terms.protected == used_beyond_protected
    alarm = rig.reports[-1].release_check or ""
    assert ("leaked_mamba_pages" in alarm) == (used_beyond_protected != 0)


def test_closing_after_nine_refusals_frees_the_state_once_more():
    rig = refused(idle_session(revert=[23327]), 9)
    rig.refuse("s/2", 0)
    rig.drain()
    assert (mamba(rig).available, mamba(rig).session_held) == (37, 1)
    rig.close("s")
    terms = mamba(rig)
    assert (terms.available, terms.evictable, terms.session_held, terms.delta) == (38, 1, 0, 9)


def test_with_23327_a_refused_turn_changes_nothing():
    rig = refused(idle_session(), 9)
    terms = mamba(rig)
    assert (terms.available, terms.protected, terms.session_held, terms.delta) == (28, 1, 1, 0)


def test_a_state_in_the_free_list_twice_is_handed_to_two_requests():
    rig = refused(idle_session(revert=[23327]), 2)
    assert rig.engine.layout().free["mamba"].count(rig.slot("s").state.slot) == 2
    free = rig.engine.layout().free["mamba"]
    twice = rig.slot("s").state.slot
    states = rig.engine.scheduler.memory.states
    first = states.alloc(free.index(twice) + 1, 2)
    rest = states.alloc(len(free) - len(first), 6)
    assert twice in first
    assert twice in rest


def shared_prefix(release=NEW, **more):
    """A cached text, and a request that shares it and is refused once."""
    rig = rig_of(release, **more)
    rig.submit(Request(rid="a", prompt=(Segment(name="sys", length=40),), max_new=1))
    rig.drain()
    before = mamba(rig)
    rig.refuse("b", 3)
    rig.submit(Request(rid="b", prompt=(Segment(name="sys", length=40), Segment(name="b", length=5)), max_new=2))
    rig.step()
    return rig, before, mamba(rig)


@pytest.mark.parametrize("release", [OLD, NEW])
def test_21404_gives_the_copy_of_a_refused_request_back(release):
    rig, before, after = shared_prefix(release)
    assert before == after
    assert rig.request("b").state.slot is None


@pytest.mark.parametrize("release", [OLD, NEW])
def test_it_does_so_also_where_another_request_of_the_same_pass_was_admitted(release):
    rig = rig_of(release)
    rig.submit(Request(rid="a", prompt=(Segment(name="sys", length=40),), max_new=1))
    rig.drain()
    rig.refuse("c", 1)
    for rid in "bc":
        rig.submit(Request(rid=rid, prompt=(Segment(name="sys", length=40), Segment(name=rid, length=5)), max_new=9))
    rig.step()
    assert (rig.request("b").state.slot is None, rig.request("c").state.slot) == (False, None)
    assert mamba(rig).delta == 0


def test_before_21404_a_waiting_request_keeps_the_copy_and_no_term_has_it():
    rig, before, after = shared_prefix(OLD, revert=[21404])
    assert (after.available, after.delta) == (before.available - 1, -1)
    slot = rig.request("b").state.slot
    assert slot is not None
    rig.step()
    assert rig.request("b").state.slot == slot, "the next attempt copies into the same slot"
    rig.abort("b")
    assert mamba(rig).delta == 0


def test_a_copy_whose_request_leaves_the_queue_unreleased_is_lost():
    rig, _, _ = shared_prefix(OLD, revert=[21404], waiting_timeout=0.5)
    slot = rig.request("b").state.slot
    rig.advance(100.0)
    rig.step()
    assert int(rig.engine.scheduler.memory.states.owners.tags[slot]) == NOBODY
    assert mamba(rig).delta == -1
