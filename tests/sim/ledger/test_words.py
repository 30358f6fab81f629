"""The words for what pools are made of."""

import pytest

from sim.ledger.words import misread, several


@pytest.mark.parametrize(
    ("count", "pool", "verb", "said"),
    [
        (1, "full", "", "1 slot"),
        (0, "swa", "", "0 SWA slots"),
        (3, "mamba", "are", "3 states are"),
        (1, "mamba", "were", "1 state was"),
        (1, "rows", "belong", "1 row belongs"),
        (2, "rows", "belong", "2 rows belong"),
    ],
)
def test_one_is_one_and_more_are_more(count, pool, verb, said):
    assert several(count, pool, verb) == said


def test_padding_is_nobodys_slot():
    start = "position 7 of request r should hold token 9; "
    assert misread("r", 7, 9, "full", 3, "x", 2) == start + "slot 3 holds x; 2 positions differ"
    assert misread("r", 7, 9, "swa", 3, "x", 2, " of s") == start + "SWA slot 3 of s holds x; 2 positions differ"
    assert misread("r", 7, 9, "full", 3, "x", 1) == start + "slot 3 holds x; 1 position differs"
    assert misread("r", 7, 9, "full", 0, "x", 2) == start + "slot 0 stands there, which is padding; 2 positions differ"
