"""Cursors in order and one live request per row, looked at whenever something moved them."""

import pytest
from helpers.rig import Rig

from sim.config import SpeculativeConfig
from sim.ledger.watermarks import Watermarks


def with_slot(page_size=1):
    """A session with p = 20 (16 at page size 16), c = a = 26, and a watch that has seen it."""
    rig = Rig(page_size=page_size, tokens=1024)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    watch = Watermarks(rig.engine.scheduler)
    assert watch.breaches() == []
    return rig, watch


def moved(rig, watch, **cursors):
    """What is seen after the slot's cursors have been set."""
    slot = rig.slot("a")
    for name, value in cursors.items():
        setattr(slot, name, value)
    rig.engine.scheduler.memory.book.post("a", slot)
    return watch.breaches()


@pytest.mark.parametrize(
    ("cursors", "size"),
    [({"committed": 27}, -1), ({"committed": 17}, -3), ({"protected": 30}, -4), ({"allocated": 21}, -5)],
)
def test_a_slot_whose_cursors_are_out_of_order(cursors, size):
    rig, watch = with_slot()
    (breach,) = moved(rig, watch, **cursors)
    assert (breach.invariant, breach.key, breach.session, breach.size) == ("INV-4", "session a", "a", size)
    assert "0 ≤ p ≤ c ≤ a ≤ width does not hold" in breach.text


@pytest.mark.parametrize("cursors", [{}, {"committed": 20}, {"allocated": 90}, {"protected": 26}])
def test_a_slot_whose_cursors_may_be_equal(cursors):
    rig, watch = with_slot()
    assert moved(rig, watch, **cursors) == []


def test_the_protected_part_ends_on_a_page_boundary():
    rig, watch = with_slot(page_size=16)
    assert rig.slot("a").protected == 16
    (breach,) = moved(rig, watch, protected=15)
    assert breach.text.startswith("slot of session a: p=15, c=26, a=26")


def test_a_slot_is_looked_at_once_for_each_change():
    rig, watch = with_slot()
    assert len(moved(rig, watch, committed=99)) == 1
    assert watch.breaches() == []


def test_a_slot_that_holds_nothing_has_no_cursors():
    rig, watch = with_slot()
    rig.close("a")
    assert watch.breaches() == []


@pytest.mark.parametrize(
    ("field", "value", "size"), [("committed", 30, -6), ("allocated", 20, -4), ("protected", 25, -1)]
)
def test_a_running_request_whose_cursors_are_out_of_order(field, value, size):
    """20 + 4 tokens: p = 20, c = a = 24."""
    rig = Rig()
    rig.send("r", 20, 50)
    rig.step(5)
    request = rig.request("r")
    assert (request.protected, request.committed, request.allocated) == (20, 24, 24)
    watch = Watermarks(rig.engine.scheduler)
    assert watch.breaches() == []
    setattr(request, field, value)
    (breach,) = watch.breaches()
    assert (breach.invariant, breach.request, breach.size) == ("INV-4", "r", size)


def test_a_speculative_reserve_that_runs_off_the_row():
    """context 64, steps 8: a row has 64 + 4 + 9 = 77 positions; c + 2A = 61 + 18 = 79 is asked for in the end."""
    rig = Rig(context=64, speculative=SpeculativeConfig(steps=8, draft=9))
    rig.send("x", 20, 43)
    rig.drain()
    first = rig.verdicts[0]
    assert (first.verdict, first.invariant, first.request) == ("watermark", "INV-4", "x")
    assert "a=78, row width 77" in first.message


def test_plain_decoding_up_to_the_end_of_the_row_is_in_order():
    """max_new = 63 − 20 − 1 = 42: the first one comes from the prefill, and one step is wasted under overlap."""
    rig = Rig(context=64)
    rig.send("x", 20, 500)
    rig.drain()
    assert rig.verdicts == []
    assert sum(r.decode_requests for r in rig.reports) == 41 + 1


def test_two_live_requests_on_one_row():
    """0.5.11: after a retract the turn is not live for the session, so a second one joins it on the slot's row."""
    rig = Rig()
    rig.open("a")
    rig.turn("a/1", 20, 9)
    rig.step(2)
    rig.retract("a/1")
    rig.turn("a/2", 5, 9)
    rig.step()
    (shared,) = [v for v in rig.verdicts if v.invariant == "INV-5"]
    assert (shared.verdict, shared.pool, shared.size, shared.session) == ("alias", "rows", 1, "a")
    assert "requests a/1 and a/2 both work on row 1" in shared.message


def test_a_finished_turn_and_its_successor_may_name_one_row():
    rig = Rig(overlap=False)
    rig.open("a")
    rig.turn("a/1", 20, 1)
    rig.step()
    rig.turn("a/2", 5, 3)
    rig.drain()
    assert rig.verdicts == []
