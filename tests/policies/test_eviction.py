"""Which leaf goes first, in each order."""

from types import SimpleNamespace

import pytest

from policies.eviction import EVICTION_ORDERS, SLRU

LEAVES = [
    SimpleNamespace(name="old", created=1, last_access=9, hits=5, priority=1),
    SimpleNamespace(name="middle", created=2, last_access=4, hits=1, priority=9),
    SimpleNamespace(name="young", created=3, last_access=6, hits=1, priority=0),
    SimpleNamespace(name="warm", created=0, last_access=5, hits=2, priority=1),
]
IN_ORDER = {
    "lru": ["middle", "warm", "young", "old"],
    "mru": ["old", "young", "warm", "middle"],
    "lfu": ["middle", "young", "warm", "old"],
    "fifo": ["warm", "old", "middle", "young"],
    "filo": ["young", "middle", "old", "warm"],
    "priority": ["young", "warm", "old", "middle"],
    "slru": ["middle", "young", "warm", "old"],
}


@pytest.mark.parametrize(("order", "names"), IN_ORDER.items())
def test_the_order_in_which_leaves_go(order, names):
    assert [leaf.name for leaf in sorted(LEAVES, key=EVICTION_ORDERS[order]().key)] == names


def test_every_order_has_a_test():
    assert set(EVICTION_ORDERS) == set(IN_ORDER)


@pytest.mark.parametrize(("hits", "protected"), [(0, False), (1, False), (2, True), (7, True)])
def test_slru_protects_what_was_hit_twice(hits, protected):
    leaf = SimpleNamespace(hits=hits, last_access=3)
    assert (SLRU().key(leaf) > (False, 1 << 60)) is protected
