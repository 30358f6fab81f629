"""What cursors may say: independent of who has read them."""

import pytest

from sim.ledger.limits import Limits

PAGED = Limits(page=4, width=32, windowed=True)


@pytest.mark.parametrize("cursors", [(0, 0, 0, 0), (4, 9, 12, 8), (8, 32, 32, 32)])
def test_cursors_in_order_say_nothing(cursors):
    assert list(PAGED.request("r", None, *cursors)) == list(PAGED.slot("a", *cursors)) == []


@pytest.mark.parametrize(
    ("cursors", "pool", "size"),
    [
        ((8, 7, 12, 8), "full", -1),
        ((4, 13, 12, 8), "full", -1),
        ((4, 9, 33, 8), "full", -1),
        ((4, 9, 12, 16), "swa", -4),
        ((4, 9, 12, 6), "swa", -2),
    ],
)
def test_cursors_out_of_order_are_told_of_requests_and_slots(cursors, pool, size):
    for found in (PAGED.request("r", "a", *cursors), PAGED.slot("a", *cursors)):
        (breach,) = found
        assert (breach.invariant, breach.pool, breach.size, breach.session) == ("INV-4", pool, size, "a")


def test_without_windowed_layers_e_says_nothing():
    assert list(Limits(page=4, width=32, windowed=False).slot("a", 4, 9, 12, 99)) == []
