"""The canary of states: the mark of an owner at a position is found, and no other passes for it."""

import pytest
from helpers.kvtest import DEVICES
from hypothesis import given
from hypothesis import strategies as st

from sim.ledger.owners import REQUEST, Ledger
from sim.memory.backend import backend
from sim.memory.marks import StateMarks

tags = st.integers(1, 2**31 - 1)
places = st.integers(0, 2**21 - 2)


def marks(device="cpu", slots=8):
    made = backend(device)
    _, headers = made.zeros(slots)
    return StateMarks(made, headers)


def put(kept, values):
    return kept._backend.put(values)


@pytest.mark.parametrize("device", DEVICES)
@given(tags, places, tags, places)
def test_a_mark_is_found_by_its_owner_at_its_position_only(device, owner, place, other, elsewhere):
    kept = marks(device)
    kept.stamp(put(kept, [3]), owner, place)
    assert kept.wrong(put(kept, [3]), owner, place) == []
    assert kept.place(3) == (owner, place)
    assert bool(kept.wrong(put(kept, [3]), other, elsewhere)) == ((other, elsewhere) != (owner, place))


@pytest.mark.parametrize("device", DEVICES)
def test_a_zeroed_state_is_nobodys(device):
    kept = marks(device)
    kept.stamp(put(kept, [1, 2]), put(kept, [4, 8]), put(kept, [5, 6]))
    kept.clear(put(kept, [1]))
    assert kept.place(1) is None
    assert kept.wrong(put(kept, [1, 2]), put(kept, [4, 8]), put(kept, [5, 6])) == [0]
    assert kept.wrong(put(kept, [1]), 0, 0) == [0]


@pytest.mark.parametrize("device", DEVICES)
def test_a_copy_stands_where_its_source_does_and_belongs_to_whom_it_is_made_for(device):
    kept = marks(device)
    kept.stamp(put(kept, [1]), 4, 70)
    kept.copied(1, 2, 12)
    assert (kept.place(1), kept.place(2)) == ((4, 70), (12, 70))
    kept.adopt(1, 20)
    assert kept.place(1) == (20, 70)


def test_the_largest_tag_of_a_ledger_fits():
    ledger = Ledger(_serial=(1 << 29) - 2)
    tag = ledger.tag(REQUEST, "r")
    kept = marks()
    kept.stamp(1, tag, 2**21 - 2)
    assert kept.place(1) == (tag, 2**21 - 2)
