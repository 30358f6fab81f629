"""Faults planted in the windowed pool, the mapping, the states and their trees: each is found in that very event."""

import pytest
from helpers.rig import Rig

from sim.config import MambaConfig, SwaConfig
from sim.engines.protocol import Request
from sim.ledger.auditor import OurFault
from sim.ledger.diagnosis import miscounts
from sim.ledger.locks import lock_breaches
from sim.ledger.recount import Recount
from sim.operations import Submit
from sim.world import Segment


def windowed(page_size=1, **more):
    """A session of 26 tokens whose window has freed some, and an ordinary request in the tree."""
    rig = Rig(tokens=128, page_size=page_size, swa=SwaConfig(tokens=96, window=page_size * 4), **more)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.send("r", 8, 4)
    rig.drain()
    assert rig.verdicts == []
    return rig


def recurrent(strategy="no_buffer", **more):
    overlap = strategy == "extra_buffer"
    mamba = MambaConfig(slots=20, strategy=strategy, track_interval=8, chunk=4)
    rig = Rig(tokens=128, mamba=mamba, overlap=overlap, **more)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.send("r", 8, 4)
    rig.drain()
    assert rig.verdicts == []
    return rig


def found(rig, plant):
    """The verdicts of the next event, or that the program found its own mistake."""
    plant(rig.engine.scheduler)
    try:
        rig.step()
    except OurFault:
        return ["our fault"]
    return [(v.verdict, v.pool, v.size) for v in rig.verdicts]


def memory_of(rig):
    return rig.engine.scheduler.memory


# -- the windowed pool --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page_size", [1, 4])
def test_a_windowed_page_that_no_list_and_no_mapping_names_is_lost(page_size):
    rig = windowed(page_size)
    memory_of(rig).swa.allocator.free_list.take(1)
    assert found(rig, lambda s: None) == ["our fault"]
    assert Recount(rig.engine.scheduler).counts()["swa"].lost == page_size


def private(scheduler, session="a"):
    """A full slot of the session whose windowed half is there."""
    slot = scheduler.cache.slots[session]
    return int(scheduler.memory.rows.read(slot.row, slot.allocated - 1, slot.allocated)[0])


def test_a_mapping_that_forgets_a_live_slot_loses_its_half():
    rig = windowed()

    def forget(scheduler):
        scheduler.memory.swa.mapping[private(scheduler)] = 0

    assert ("silent", "swa", -1) in found(rig, forget)


def test_a_mapping_that_names_another_slots_half_shares_it():
    rig = windowed()

    def cross(scheduler):
        mapping = scheduler.memory.swa.mapping
        node = next(n for n in scheduler.memory.tree.nodes() if not n.tombstone)
        mapping[private(scheduler)] = mapping[int(node.value[0])]

    verdicts = found(rig, cross)
    assert ("silent", "swa", 1) in verdicts
    assert ("corrupt", "swa", 1) in verdicts


def test_a_half_that_is_free_while_a_row_names_it_is_shared():
    """Nobody has posted it, so the tags contradict the free list: a mistake of the program."""
    rig = windowed()

    def free(scheduler):
        swa = scheduler.memory.swa
        swa.allocator.free_list.put_back(swa.mapping[[private(scheduler)]])

    assert found(rig, free) == ["our fault"]
    assert Recount(rig.engine.scheduler).counts()["swa"].extra == 1


@pytest.mark.parametrize(("evicted", "size"), [(30, -4), (27, -1)])
def test_a_session_whose_window_is_past_its_end(evicted, size):
    """c = a = 26: the books count what the session does not hold as held less than nothing."""
    rig = windowed()

    def move(scheduler):
        slot = scheduler.cache.slots["a"]
        assert slot.allocated == 26
        slot.evicted = evicted
        scheduler.memory.book.post("a", slot)
        scheduler.view.changed()

    verdicts = found(rig, move)
    assert ("watermark", "swa", size) in verdicts
    assert any(kind == "false-alarm" and pool == "swa" for kind, pool, _ in verdicts)


def test_a_window_that_ends_inside_a_page():
    rig = windowed(4)

    def move(scheduler):
        slot = scheduler.cache.slots["a"]
        slot.evicted = 22
        scheduler.memory.book.post("a", slot)

    assert ("watermark", "swa", -2) in found(rig, move)


def test_who_is_counted_wrongly_is_told_with_both_numbers():
    rig = windowed()
    slot = rig.slot("a")
    slot.evicted = 30
    (wrong,) = miscounts(rig.engine.scheduler, "swa")
    held = rig.engine.scheduler.view.books()["swa"].session_held
    assert wrong.pool == "swa"
    assert wrong.text == f"session a owns {held} private SWA tokens, the books count only -4: -4 in session_held (a)"
    assert miscounts(rig.engine.scheduler, "full") == []


@pytest.mark.parametrize("by", [1, -1])
def test_a_windowed_lock_without_a_holder_or_a_holder_without_a_lock(by):
    rig = windowed()
    node = next(n for n in memory_of(rig).tree.nodes() if n.other_lock)
    node.other_lock += by
    (breach,) = lock_breaches(rig.engine.scheduler)
    assert (breach.invariant, breach.pool) == ("INV-7", "swa")
    assert "lock_ref of swa" in breach.text


@pytest.mark.parametrize("counter", ["other_evictable", "other_protected", "evictable"])
def test_a_counter_of_the_windowed_tree_that_is_not_kept_up(counter):
    rig = windowed()

    def shift(scheduler):
        setattr(scheduler.memory.tree, counter, getattr(scheduler.memory.tree, counter) + 1)

    assert found(rig, shift) == ["our fault"]


# -- the states ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["no_buffer", "extra_buffer"])
def test_a_state_that_nobody_names_is_lost(strategy):
    rig = recurrent(strategy)

    def forget(scheduler):
        slot = scheduler.cache.slots["a"]
        slot.state.slot = None
        scheduler.memory.book.post("a", slot)

    assert found(rig, forget) == [("leak", "mamba", -1)]


def test_a_state_that_two_name_is_shared_and_read_wrong():
    rig = recurrent()

    def cross(scheduler):
        node = next(n for n in scheduler.memory.tree.nodes() if n.state is not None)
        scheduler.cache.slots["a"].state.slot = node.state

    assert ("silent", "mamba", 1) in found(rig, cross)
    rig.run_turn("a/2", 3, 2)
    corrupt = [v for v in rig.verdicts if v.verdict == "corrupt" and v.request == "a/2"]
    assert [(v.pool, v.session, v.invariant) for v in corrupt] == [("mamba", "a", "INV-6")]


def test_a_state_of_another_position_is_read_wrong():
    rig = recurrent()
    states, slot = memory_of(rig).states, rig.slot("a")
    states.marks.stamp(slot.state.slot, slot.tag, slot.committed + 1)
    rig.run_turn("a/2", 3, 2)
    (verdict,) = rig.verdicts
    assert (verdict.verdict, verdict.pool, verdict.request) == ("corrupt", "mamba", "a/2")
    assert verdict.message.endswith("stands at position 26 and is that of session a")


def test_a_node_whose_state_stands_elsewhere_is_found_when_read_back():
    rig = recurrent()

    def move(scheduler):
        node = next(n for n in scheduler.memory.tree.nodes() if n.state is not None)
        scheduler.memory.states.marks.stamp(node.state, node.tag, 1)

    assert found(rig, move) == [("corrupt", "mamba", 1)]


@pytest.mark.parametrize("by", [1, -1])
def test_a_state_lock_without_a_holder_or_a_holder_without_a_lock(by):
    rig = recurrent()
    node = next(n for n in memory_of(rig).tree.nodes() if n.other_lock)
    node.other_lock += by
    (breach,) = lock_breaches(rig.engine.scheduler)
    assert (breach.invariant, breach.pool) == ("INV-7", "mamba")


@pytest.mark.parametrize("counter", ["other_evictable", "other_protected"])
def test_a_counter_of_the_states_that_is_not_kept_up(counter):
    rig = recurrent()

    def shift(scheduler):
        setattr(scheduler.memory.tree, counter, getattr(scheduler.memory.tree, counter) + 1)

    assert found(rig, shift) == ["our fault"]


def test_states_that_a_waiting_request_keeps_are_its_own():
    """Before 21404: the books count nothing for it, the recount knows whose it is."""
    rig = Rig(
        revert=[21404, 23327], tokens=128, mamba=MambaConfig(slots=20), overlap=False, chunked_prefill=8,
        priority=True, preemption=True,
    )  # fmt: skip
    rig.send("r1", 9, 2)
    rig.drain()
    rig.refuse("r2", 1)
    rig.driver.do(_same_text("r2", "r1", 9))
    rig.step()
    (alarm,) = rig.verdicts
    assert (alarm.verdict, alarm.pool, alarm.size, alarm.request) == ("false-alarm", "mamba", -1, "r2")
    assert alarm.cause.what == "request r2 owns 1 state, the books count none of it"


def _same_text(rid, text, length):
    prompt = (Segment(name=text, length=length), Segment(name=rid, length=3))
    return Submit(what=Request(rid=rid, prompt=prompt, max_new=2))
