"""The words for what pools are made of."""

import pytest

from sim.ledger.words import several


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
