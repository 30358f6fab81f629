"""What becomes of the KV of a turn that is aborted while it runs."""

from helpers.kvtest import borrow, hold, new_req, new_scheduler, total_of
from helpers.rig import Rig

from policies.abort import Nuke, Save, Transient


def test_0_5_10_leaves_it_to_the_ordinary_end():
    scheduler = new_scheduler()
    slot = hold(scheduler, "s")
    req = borrow(scheduler, "s", "s/2")
    assert Save().finish(scheduler.cache, req, slot) is False
    assert req.row == slot.row


def test_22273_frees_what_the_turn_holds_and_keeps_a_slot_that_names_it():
    scheduler = new_scheduler()
    slot = hold(scheduler, "s", p=20, c=26, a=26)
    req = borrow(scheduler, "s", "s/2")
    row = req.row
    assert Transient().finish(scheduler.cache, req, slot) is True
    assert (slot.row, slot.allocated, req.row, req.freed) == (row, 26, None, True)
    assert list(scheduler.memory.rows.free)[-1] == row
    assert total_of(scheduler) == 1000 + 6


def test_22273_leaves_a_turn_without_a_slot_to_the_ordinary_end():
    scheduler = new_scheduler()
    scheduler.controller.open("s", None, 0.0)
    assert Transient().finish(scheduler.cache, new_req(table=scheduler.table), None) is False


def test_22790_frees_the_larger_of_slot_and_turn_and_forgets_the_slot():
    scheduler = new_scheduler()
    slot = hold(scheduler, "s", p=20, c=38, a=38)
    slot.allocated = slot.committed = 26
    req = borrow(scheduler, "s", "s/2")
    req.allocated = 38
    req.session.inflight = True
    assert Nuke().finish(scheduler.cache, req, slot) is True
    memory = scheduler.memory
    assert (memory.allocator.available(), memory.tree.evictable, memory.book.total) == (980, 20, 0)
    assert len(memory.rows.free) == 8
    assert scheduler.cache.slots == {}
    assert (req.row, req.freed, req.session.inflight) == (None, True, False)


def aborted_second_turn(release="sglang-0.5.11", **more):
    """Turn 1: 20 + 6. Turn 2: 10 new tokens, aborted while it decodes."""
    rig = Rig(release, **more)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 40)
    rig.step(4)
    rig.abort("a/2")
    rig.drain()
    return rig


def test_after_an_abort_22790_has_all_but_the_first_prompt_free():
    rig = aborted_second_turn()
    assert rig.terms[:5] == (980, 20, 0, 0, 0)
    assert rig.engine.snapshot().free_rows == 8
    (state,) = rig.engine.snapshot().sessions
    assert (state.row, state.history, state.inflight) == (None, 26, False)


def test_the_turn_after_an_abort_prefills_from_the_tree_match():
    rig = aborted_second_turn()
    rig.turn("a/3", 10, 4)
    assert rig.step().prefill_tokens == 26 + 10 - 20
    rig.drain()
    assert rig.terms.delta == 0
    assert rig.kinds == []


def test_an_aborted_first_turn_returns_everything():
    rig = Rig()
    rig.open("a")
    rig.turn("a/1", 20, 40)
    rig.step(5)
    rig.abort("a/1")
    rig.drain()
    assert (rig.terms.session_held, rig.terms.protected, rig.terms.delta) == (0, 0, 0)
    assert rig.engine.snapshot().free_rows == 8


def test_0_5_10_takes_the_aborted_turn_for_history():
    rig = aborted_second_turn("sglang-0.5.10")
    (state,) = rig.engine.snapshot().sessions
    assert state.history > 26 + 10
    assert state.a >= state.history - 1


def test_22273_frees_the_slots_own_row_under_it():
    rig = aborted_second_turn(decide={"abort": "transient"})
    rig.drain()
    (state,) = rig.engine.snapshot().sessions
    assert (state.a, rig.terms.session_held, rig.terms.delta) == (26, 6, 6)
    assert rig.kinds != []


def test_saving_the_aborted_turn_leaves_a_slot_longer_than_the_history():
    rig = aborted_second_turn(decide={"abort": "save", "history": "at-create"})
    (state,) = rig.engine.snapshot().sessions
    assert state.c == state.a > 26 + 10
    assert rig.terms.delta == 0
