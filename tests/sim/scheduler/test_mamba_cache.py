"""The prefix cache of recurrent models with requests: what a match copies, what a prefill and an end leave."""

import pytest
from helpers.rig import Rig

from sim.config import MambaConfig
from sim.engines.protocol import EngineCrash, Request
from sim.ledger.owners import NOBODY
from sim.scheduler.allocation import out_of_memory
from sim.world import Segment

RELEASES = ["sglang-0.5.10", "sglang-0.5.11"]
GRID = {"track_interval": 16, "chunk": 8}


def rig_of(release="sglang-0.5.11", *, slots=30, strategy="no_buffer", overlap=False, tokens=400, **more):
    return Rig(
        release, mamba=MambaConfig(slots=slots, strategy=strategy, **GRID), overlap=overlap, tokens=tokens,
        audit="off", **more,
    )  # fmt: skip


def shared(rid, own, output, *, common=40, **more):
    """A request whose text begins with one that others have too."""
    prompt = (Segment(name="common", length=common), Segment(name=rid, length=own))
    return Request(rid=rid, prompt=prompt, max_new=output, **more)


def mamba(rig):
    return rig.engine.snapshot().pools["mamba"]


def tree(rig):
    """(depth of the end, state or None) of each node, from the root down."""
    return sorted((n.depth + n.length, None if n.tombstone else n.state) for n in rig.engine.layout().tree)


def position(rig, slot):
    return rig.engine.scheduler.memory.states.marks.place(slot)[1]


# -- prefill and finish -----------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_no_buffer_leaves_a_copy_after_the_prefill_and_its_own_state_at_the_end(release):
    rig = rig_of(release)
    rig.send("a", 20, 6)
    rig.step()
    running, ((end, copy),) = rig.request("a").state.slot, tree(rig)
    assert (end, position(rig, copy), running) == (20, 20, 1)
    assert mamba(rig)[:5] == (28, 0, 1, 0, 1)
    rig.drain()
    assert tree(rig) == [(20, copy), (25, running)]
    assert mamba(rig)[:5] == (28, 2, 0, 0, 0)


@pytest.mark.parametrize(("overlap", "buffers"), [(True, 2), (False, 1)])
def test_extra_buffer_leaves_the_last_snapshot_and_frees_what_lies_beyond(overlap, buffers):
    rig = rig_of(strategy="extra_buffer", overlap=overlap)
    rig.send("a", 20, 20)
    rig.step(2)
    assert [end for end, _ in tree(rig)] == [16], "two whole chunks of eight"
    rig.drain()
    assert [end for end, _ in tree(rig)] == [16, 32], "the decode passed 32; 39 tokens were computed"
    for end, state in tree(rig):
        assert position(rig, state) == end
    assert mamba(rig)[:5] == (28, 2, 0, 0, 0)
    assert rig.terms.available + rig.terms.evictable == 400
    assert rig.engine.scheduler.memory.states.buffers == buffers


def test_a_snapshot_that_has_been_shared_is_not_shared_again():
    rig = rig_of(strategy="extra_buffer", overlap=True)
    rig.send("a", 20, 6)
    rig.step(2)
    assert (rig.request("a").protected, rig.request("a").state.tracked) == (16, None)
    rig.drain()
    assert [end for end, _ in tree(rig)] == [16]
    assert (rig.terms.available, rig.terms.evictable) == (384, 16)


def test_extra_buffer_without_a_snapshot_shares_nothing():
    rig = rig_of(strategy="extra_buffer", overlap=True)
    rig.send("a", 7, 3)
    rig.drain()
    assert (tree(rig), mamba(rig).available, rig.terms.available) == ([], 30, 400)


def test_a_state_that_is_there_already_is_not_kept_twice():
    rig = rig_of()
    for rid in ("a", "b"):
        rig.submit(shared(rid, 1, 1))
        rig.drain()
    before = tree(rig)
    rig.submit(Request(rid="c", prompt=shared("a", 1, 1).prompt, max_new=3))
    rig.step()
    assert tree(rig) == before
    assert mamba(rig).delta == 0
    rig.drain()
    assert [end for end, _ in tree(rig)] == [*(end for end, _ in before), 43]
    assert mamba(rig).delta == 0


# -- matching ---------------------------------------------------------------------------------------------


def test_a_match_copies_the_state_before_it_is_known_whether_the_request_is_admitted():
    rig = rig_of(revert=[21404])
    rig.submit(shared("a", 1, 1, common=39))
    rig.drain()
    rig.refuse("c", 9)
    rig.submit(Request(rid="c", prompt=(*shared("a", 1, 1, common=39).prompt, Segment(name="c", length=4)), max_new=1))
    rig.step()
    slot = rig.request("c").state.slot
    assert position(rig, slot) == 40
    assert len(rig.request("c").prefix) == 40
    assert rig.request("c").state.branching is None


def test_a_prefix_that_ends_inside_a_node_has_no_state_to_copy():
    rig = rig_of()
    rig.submit(shared("a", 1, 1, common=39))
    rig.drain()
    rig.refuse("b", 1)
    rig.submit(shared("b", 5, 1, common=39))
    rig.step()
    assert (rig.request("b").state.slot, rig.request("b").state.branching) == (None, 32)


def test_what_branches_off_inside_a_chunk_is_worth_a_snapshot_of_its_own():
    rig = rig_of(strategy="extra_buffer", overlap=True)
    rig.submit(shared("a", 24, 1))
    rig.drain()
    rig.submit(shared("b", 24, 1))
    rig.drain()
    ends = [(end, state is not None) for end, state in tree(rig)]
    assert ends == [(40, True), (64, True), (64, True)] or (40, True) in ends
    rig.submit(shared("c", 24, 1))
    rig.step()
    assert len(rig.request("c").prefix) == 40


def test_a_copy_evicts_a_state_if_it_must_but_never_the_one_it_copies():
    rig = rig_of(slots=6)
    rig.submit(shared("a", 1, 1))
    rig.drain()
    rig.send("x", 5, 1)
    rig.drain()
    states = rig.engine.scheduler.memory.states
    states.alloc(states.available(), 2)
    rig.refuse("b", 1)
    rig.submit(Request(rid="b", prompt=(*shared("a", 1, 1).prompt, Segment(name="b", length=4)), max_new=1))
    rig.step()
    assert [end for end, _ in tree(rig)] == [41]


def test_without_any_state_to_be_had_the_scheduler_ends():
    rig = rig_of(slots=2)
    rig.submit(shared("a", 1, 1))
    rig.drain()
    states = rig.engine.scheduler.memory.states
    states.alloc(states.available(), 2)
    rig.submit(Request(rid="b", prompt=(*shared("a", 1, 1).prompt, Segment(name="b", length=4)), max_new=1))
    with pytest.raises(EngineCrash, match="Can not alloc mamba cache"):
        rig.engine.step()


# -- chunks, retract, abort -------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["no_buffer", "extra_buffer"])
def test_each_chunk_of_a_prefill_leaves_a_state(strategy):
    rig = rig_of(strategy=strategy, chunked_prefill=16)
    rig.send("a", 40, 1)
    rig.step()
    assert tree(rig) == []
    rig.step()
    assert [end for end, _ in tree(rig)] == [16]
    rig.drain()
    assert [(end, state is None) for end, state in tree(rig)] == [(16, False), (32, False), (40, False)]
    assert mamba(rig).delta == 0


@pytest.mark.parametrize("strategy", ["no_buffer", "extra_buffer"])
@pytest.mark.parametrize("release", RELEASES)
def test_a_retract_gives_all_states_of_a_request_back(release, strategy):
    rig = rig_of(release, strategy=strategy)
    rig.send("a", 20, 30)
    rig.step(4)
    rig.retract()
    names = rig.request("a").state
    assert (names.all, names.tracked, names.next) == ((), None, None)
    terms = mamba(rig)
    assert (terms.uncached, terms.delta) == (0, 0)
    rig.drain()
    assert mamba(rig).delta == 0


def test_a_request_that_waits_with_a_copy_gives_it_back_when_it_is_aborted():
    rig = rig_of(revert=[21404])
    rig.submit(shared("a", 1, 1))
    rig.drain()
    rig.refuse("b", 5)
    rig.submit(Request(rid="b", prompt=(*shared("a", 1, 1).prompt, Segment(name="b", length=4)), max_new=1))
    rig.step()
    before = mamba(rig).available
    rig.abort("b")
    assert mamba(rig).available == before + 1
    assert mamba(rig).delta == 0


# -- without a tree that keeps states ---------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("chunked", [None, 16])
def test_without_a_prefix_cache_states_are_freed_at_the_end(release, chunked):
    rig = rig_of(release, radix=False, chunked_prefill=chunked, overlap=True)
    rig.send("a", 40, 6)
    rig.step(4)
    assert mamba(rig)[:5] == (29, 0, 0, 0, 1)
    rig.drain()
    assert mamba(rig)[:5] == (30, 0, 0, 0, 0)
    assert rig.terms.available == 400


# -- sessions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("strategy", "overlap", "held"), [("no_buffer", False, 1), ("extra_buffer", True, 3)])
def test_a_session_keeps_its_states_between_turns_and_lends_them(strategy, overlap, held):
    rig = rig_of(strategy=strategy, overlap=overlap)
    rig.open("s")
    rig.run_turn("s/1", 20, 6)
    names = rig.slot("s").state
    assert len(names.all) == mamba(rig).session_held == held
    rig.turn("s/2", 9, 6)
    rig.step(2)
    assert rig.request("s/2").state.all == names.all
    assert (mamba(rig).session_held, mamba(rig).uncached) == (0, held)
    rig.drain()
    assert rig.slot("s").state.all == names.all
    assert mamba(rig).delta == 0


@pytest.mark.parametrize("strategy", ["no_buffer", "extra_buffer"])
def test_a_running_turn_that_is_aborted_takes_the_session_s_states_with_it(strategy):
    rig = rig_of(strategy=strategy)
    rig.open("s")
    rig.run_turn("s/1", 20, 6)
    rig.turn("s/2", 9, 30)
    rig.step(3)
    rig.abort("s/2")
    rig.drain()
    assert mamba(rig).delta == 0
    assert mamba(rig).session_held == 0


def test_a_turn_that_waits_refused_and_is_aborted_hands_its_states_back_to_the_slot():
    rig = rig_of()
    rig.open("s")
    rig.run_turn("s/1", 20, 6)
    names = rig.slot("s").state.all
    rig.refuse("s/2", 9)
    rig.turn("s/2", 9, 6)
    rig.step()
    rig.abort("s/2")
    assert rig.slot("s").state.all == names
    assert (mamba(rig).session_held, mamba(rig).delta) == (1, 0)


def test_a_state_of_its_own_loses_its_name_when_a_turn_is_lent_its_session_s():
    rig = rig_of(priority=True, preemption=True)
    rig.open("s")
    rig.run_turn("s/1", 20, 6)
    rig.refuse("s/2", 9)
    rig.turn("s/2", 9, 6)
    rig.step()
    states, req = rig.engine.scheduler.memory.states, rig.request("s/2")
    (req.state.slot,) = mine = states.alloc(1, req.tag)
    rig.step()
    assert req.state.slot == rig.slot("s").state.slot
    assert int(states.owners.tags[mine[0]]) == NOBODY


def test_what_is_left_is_told_in_the_words_of_its_own_tree():
    rig = rig_of(tokens=20)
    rig.send("a", 10, 1)
    rig.drain()
    crash = out_of_memory("Out of memory.", 7, rig.engine.scheduler.memory)
    assert crash.message.endswith(
        "Available full tokens: 20 (full_available_size=10 + full_evictable_size=10)\n"
        "Full LRU list evictable size: 10\n"
    )
