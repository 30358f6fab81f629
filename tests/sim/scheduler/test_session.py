"""Sessions, their slots, and the book of what the slots hold."""

import pytest
from helpers.kvtest import new_req
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.memory.states import StateNames
from sim.scheduler.session import Session, SessionSlot, SlotBook


def slot_of(row, protected=20, allocated=26, active=False):
    slot = SessionSlot(tag=7)
    slot.row, slot.protected, slot.allocated, slot.active = row, protected, allocated, active
    return slot


names = st.sampled_from("abcd")
change = st.tuples(
    names, st.none() | st.integers(1, 4), st.integers(0, 3), st.integers(-5, 40), st.booleans()
)


@given(st.sampled_from([1, 4, 16]), st.lists(change, max_size=40), st.sets(st.integers(0, 5)))
@settings(max_examples=150, deadline=None)
def test_the_book_equals_a_walk_over_the_slots_after_every_change(page, changes, rows):
    book, slots = SlotBook(page), {}
    for name, row, p, extra, active in changes:
        slots[name] = slot_of(row, p * page, max(p * page + extra, 0), active)
        if extra == 40:
            del slots[name]
        book.post(name, slots.get(name))
        size = {
            n: -(-s.allocated // page) * page - s.protected for n, s in slots.items() if s.row is not None
        }
        assert book.total == sum(size.values())
        assert book.holding == len(size)
        assert book.flagged == sum(v for n, v in size.items() if slots[n].active)
        assert book.in_rows(rows) == sum(v for n, v in size.items() if slots[n].row in rows)


@given(st.sampled_from([1, 4, 16]), st.lists(change, max_size=30), st.sets(st.integers(0, 5)))
@settings(max_examples=100, deadline=None)
def test_the_book_of_the_windowed_pool_leaves_out_what_the_window_gave_back(page, changes, rows):
    book, slots = SlotBook(page, ("full", "swa")), {}
    for name, row, p, extra, active in changes:
        slots[name] = slot_of(row, p * page, max(p * page + extra, 0), active)
        slots[name].evicted = (3 * extra) % 50
        book.post(name, slots[name])
        held = {
            n: -(-s.allocated // page) * page - max(s.protected, s.evicted)
            for n, s in slots.items() if s.row is not None
        }  # fmt: skip
        assert book.of("swa").total == sum(held.values())
        assert book.of("swa").in_rows(rows) == sum(v for n, v in held.items() if slots[n].row in rows)
        assert book.of("full") is book


def test_a_cursor_left_behind_a_cut_is_held_below_zero():
    book, slot = SlotBook(1, ("full", "swa")), slot_of(1, 0, 38)
    slot.evicted = 42
    book.post("a", slot)
    assert (book.total, book.of("swa").total) == (38, -4)


def test_a_book_of_a_pool_that_there_is_not_is_no_other_pools_book():
    with pytest.raises(KeyError):
        SlotBook(1).of("swa")


def test_a_slot_holds_its_pages_without_what_the_tree_protects():
    book = SlotBook(16)
    book.post("a", slot_of(1, 16, 33))
    assert book.total == 48 - 16


def test_a_slot_changed_after_posting_counts_as_posted():
    book, slot = SlotBook(1), slot_of(1)
    book.post("a", slot)
    slot.allocated = 99
    assert book.total == 6
    book.post("a", slot)
    assert book.total == 79


def test_posting_twice_counts_once_and_a_session_that_is_gone_counts_nothing():
    book = SlotBook(1)
    book.post("a", slot_of(1))
    book.post("a", slot_of(1))
    assert (book.total, book.holding) == (6, 1)
    book.post("a", None)
    assert (book.total, book.holding, book.by_row) == (0, 0, {})


def turn_on_row(row=3):
    req = new_req()
    req.row, req.committed, req.allocated, req.protected = row, 26, 30, 20
    req.last_node = object()
    return req


def test_saving_moves_the_row_from_the_turn_into_the_slot():
    slot, req = SessionSlot(7), turn_on_row()
    slot.save(req, first=True)
    assert (slot.row, slot.committed, slot.allocated, slot.protected) == (3, 26, 30, 20)
    assert slot.last_node is req.last_node
    assert (req.row, slot.holding) == (None, True)


def test_only_the_first_save_writes_the_lock_and_the_protected_length():
    slot, first, second = SessionSlot(7), turn_on_row(), turn_on_row()
    slot.save(first, first=True)
    second.protected, second.allocated = 0, 50
    slot.save(second, first=False)
    assert (slot.protected, slot.allocated) == (20, 50)
    assert slot.last_node is first.last_node


def test_restoring_lends_the_row_and_can_be_repeated():
    slot = slot_of(3)
    slot.committed = 26
    for _ in range(2):
        req = new_req()
        slot.restore(req)
        assert (req.row, req.committed, req.allocated) == (3, 26, 26)
    assert slot.row == 3


def test_standing_in_for_an_aborted_first_turn_leaves_the_row_with_it():
    slot, req = SessionSlot(7), turn_on_row()
    slot.save_all(req)
    assert (slot.row, slot.allocated, slot.protected, req.row) == (3, 30, 20, 3)


def test_an_empty_slot_holds_nothing():
    assert not SessionSlot(7).holding


@pytest.mark.parametrize(
    ("timeout", "now", "late"),
    [(None, 1e9, False), (30.0, 35.0, False), (30.0, 35.001, True), (0.0, 5.1, True)],
)
def test_a_session_times_out_when_it_was_silent_for_longer(timeout, now, late):
    session = Session("a", 7, timeout, now=5.0, opened=1)
    assert session.timed_out(now) is late


@pytest.mark.parametrize(("out", "length"), [(4, 24), (12, 32), (15, 32)])
def test_the_history_is_prompt_and_output_up_to_what_was_asked(out, length):
    session = Session("a", 7, None, 0.0, 1)
    assert len(session.history()) == session.history_len == 0
    session.node = new_req(prompt=20, max_new=12)
    session.node.out = out
    history = session.history().tolist()
    assert len(history) == session.history_len == length
    assert history == session.node.tokens(length).tolist()


@pytest.mark.parametrize("max_new", [-7, -3, 0])
def test_a_limit_below_zero_cuts_the_output_from_its_end(max_new):
    session = Session("a", 7, None, 0.0, 1)
    session.node = new_req(prompt=20, max_new=max_new)
    session.node.out = 5
    assert len(session.history()) == session.history_len == 20 + max(0, 5 + max_new if max_new else 0)


def test_a_slot_takes_the_states_of_a_turn_and_lends_them_without_letting_them_go():
    slot, first, second = SessionSlot(6), new_req("s/1"), new_req("s/2")
    first.state = StateNames(3, (4, 5), 1, 64, None)
    slot.save(first, True)
    assert (first.state.slot, slot.state) == (None, StateNames(3, (4, 5), 1, 64, None))
    second.state = StateNames(branching=8)
    slot.restore(second)
    assert second.state == slot.state
    second.state.slot = None
    assert slot.state.slot == 3
