"""A finished turn is marked as freed, or counts once more while it is in the last batch."""

import pytest
from helpers.kvtest import new_req
from helpers.rig import Rig

from policies.flags import Marked, Unmarked


def test_0_5_10_leaves_the_flags_down():
    req = new_req()
    req.counted = True
    Unmarked().mark(req)
    assert (req.freed, req.counted) == (False, True)


def test_22790_raises_them_and_uncached_skips_the_turn():
    req = new_req()
    req.counted = True
    Marked().mark(req)
    assert (req.freed, req.counted) == (True, False)


def deltas(**decide):
    """Turn 2 (10 new tokens, 4 output tokens), iteration by iteration."""
    rig = Rig(decide=decide)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 4)
    found = []
    while not rig.engine.idle:
        rig.step()
        found.append(rig.terms.delta)
    return found


@pytest.mark.parametrize(
    ("held", "flags", "peak"), [("all", "unmarked", 20), ("rows", "marked", 0), ("rows", "unmarked", 0)]
)
def test_a_turn_just_finished_counts_its_20_private_slots_twice_without_flags(held, flags, peak):
    assert max(deltas(held=held, flags=flags)) == peak


def test_the_false_alarm_ends_when_the_turn_has_left_the_last_batch():
    assert deltas(held="all", flags="unmarked")[-1] == 0
