"""`session_held`: all slots, slots that are not flagged, or slots whose row is in no batch."""

import pytest
from helpers.rig import Rig
from hypothesis import given
from hypothesis import strategies as st

from policies.held import ActiveFlag, ActiveRows, AllSlots
from sim.scheduler.session import SessionSlot, SlotBook


def slot_of(row, protected, allocated, active=False):
    slot = SessionSlot(tag=7)
    slot.row, slot.protected, slot.allocated, slot.active = row, protected, allocated, active
    return slot


def book_of(*slots, page_size=1):
    book = SlotBook(page_size)
    for i, slot in enumerate(slots):
        book.post(f"s{i}", slot)
    return book


BOOK = (slot_of(1, 20, 26), slot_of(2, 20, 30), slot_of(3, 0, 5))


@pytest.mark.parametrize("rows", [set(), {2}, {1, 2, 3}])
def test_0_5_10_counts_every_holding_slot(rows):
    assert AllSlots().tokens(book_of(*BOOK), rows) == 6 + 10 + 5


@pytest.mark.parametrize(("rows", "held"), [(set(), 21), ({2}, 11), ({2, 9}, 11), ({1, 2, 3}, 0)])
def test_22753_leaves_out_slots_whose_row_is_in_a_batch(rows, held):
    assert ActiveRows().tokens(book_of(*BOOK), rows) == held


def test_22213_leaves_out_flagged_slots_whatever_runs():
    book = book_of(slot_of(1, 20, 26, active=True), slot_of(2, 20, 30))
    assert ActiveFlag().tokens(book, set()) == 10
    assert ActiveFlag().tokens(book, {2}) == 10


def test_22213_flags_when_lent_and_clears_when_saved():
    slot = slot_of(1, 20, 26)
    ActiveFlag().restored(slot)
    assert slot.active
    ActiveFlag().saved(slot)
    assert not slot.active


@pytest.mark.parametrize("held", [AllSlots(), ActiveRows()])
def test_the_others_never_flag(held):
    slot = slot_of(1, 20, 26)
    held.restored(slot)
    assert not slot.active


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5), st.integers(0, 40)), max_size=8),
       st.sets(st.integers(1, 9)), st.sampled_from([1, 4, 16]))  # fmt: skip
def test_the_three_agree_with_a_walk_over_the_slots(shapes, rows, page):
    slots = [slot_of(row, p * page, p * page + extra, active=row % 2 == 0) for row, p, extra in shapes]
    size = [-(-s.allocated // page) * page - s.protected for s in slots]
    book = book_of(*slots, page_size=page)
    assert AllSlots().tokens(book, rows) == sum(size)
    assert ActiveFlag().tokens(book, rows) == sum(n for n, s in zip(size, slots, strict=True) if not s.active)
    assert ActiveRows().tokens(book, rows) == sum(
        n for n, s in zip(size, slots, strict=True) if s.row not in rows
    )


def borrowing(release="sglang-0.5.11", **more):
    """Turn 1 leaves c = a = 26; turn 2 of ten new tokens has been prefilled."""
    rig = Rig(release, **more)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 4)
    rig.step()
    return rig


def test_a_borrowing_turn_counts_6_twice_in_0_5_10_and_once_with_22753():
    before, after = borrowing("sglang-0.5.10").terms, borrowing().terms
    assert (before.protected, before.session_held, before.delta) == (20, 6, 6)
    assert (after.available, after.uncached, after.session_held, after.sum) == (964, 16, 0, 1000)


@pytest.mark.parametrize(("variant", "total"), [("all", 1000), ("flag", 994), ("rows", 1000)])
def test_a_refused_turn_is_missing_under_the_flag_alone(variant, total):
    rig = Rig(decide={"held": variant})
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.send("b", 10, 30)
    rig.step(2)
    rig.refuse("a/2")
    rig.turn("a/2", 10, 4)
    rig.step()
    assert rig.reports[-1].refused == ("a/2",)
    assert rig.terms.sum == total
