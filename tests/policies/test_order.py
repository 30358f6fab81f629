"""In which order waiting requests are tried."""

from random import Random

import numpy as np
import pytest
from helpers.kvtest import ints, new_req, new_table, tree_of
from hypothesis import given
from hypothesis import strategies as st

from policies.order import ORDERS, match_all
from sim.scheduler.ordering import OrderContext


def context_of(tree=None, *, priority=False, sign=-1, seed=0):
    return OrderContext(tree or tree_of(2000), priority, sign, Random(seed))


def queue_of(*shapes):
    """Waiting requests by (name, keywords), in order of arrival."""
    table, queue = new_table(), []
    for name, more in shapes:
        req = new_req(name, table=table, **{k: v for k, v in more.items() if k != "text"})
        req.queued_at = len(queue)
        if "text" in more:
            req.origin = ints(more["text"])
        queue.append(req)
    return queue


def sorted_by(policy, queue, context=None):
    ORDERS[policy]().sort(queue, context or context_of())
    return [req.rid for req in queue]


def caching(*texts):
    tree = tree_of(2000)
    for text in texts:
        tree.insert(ints(text), tree.allocator.alloc(len(text), 6), 6)
    return tree


def test_fcfs_leaves_the_queue_as_it_is():
    assert sorted_by("fcfs", queue_of(("b", {}), ("a", {}), ("c", {}))) == ["b", "a", "c"]


@pytest.mark.parametrize(("sign", "names"), [(-1, ["high", "low", "later"]), (1, ["low", "later", "high"])])
def test_fcfs_with_priorities_sorts_by_priority_then_arrival(sign, names):
    queue = queue_of(("low", {"priority": 1}), ("high", {"priority": 9}), ("later", {"priority": 1}))
    assert sorted_by("fcfs", queue, context_of(priority=True, sign=sign)) == names


def test_lof_sorts_by_the_longest_allowed_output():
    queue = queue_of(("s", {"max_new": 5}), ("l", {"max_new": 50}), ("m", {"max_new": 20}))
    assert sorted_by("lof", queue) == ["l", "m", "s"]


def test_lof_with_priorities_sorts_by_priority_first():
    queue = queue_of(("s", {"max_new": 5, "priority": 3}), ("l", {"max_new": 50, "priority": 1}))
    assert sorted_by("lof", queue, context_of(priority=True)) == ["s", "l"]


@given(st.integers(0, 100))
def test_random_is_a_permutation_that_the_seed_decides(seed):
    names = [f"r{i}" for i in range(8)]
    orders = {
        tuple(sorted_by("random", queue_of(*((n, {}) for n in names)), context_of(seed=seed))) for _ in "ab"
    }
    assert len(orders) == 1
    assert sorted(orders.pop()) == names


def test_lpm_tries_the_longest_cached_prefix_first():
    tree = caching(range(100, 150))
    queue = queue_of(
        ("none", {"text": range(500, 540)}),
        ("some", {"text": [*range(100, 140), 1, 2]}),
        ("most", {"text": [*range(100, 150), 3]}),
    )
    assert sorted_by("lpm", queue, context_of(tree)) == ["most", "some", "none"]


@pytest.mark.parametrize(("shared", "names"), [(31, ["a", "b", "c"]), (32, ["a", "c", "b"])])
def test_lpm_lets_a_request_wait_for_32_shared_tokens_of_another(shared, names):
    queue = queue_of(
        ("a", {"text": range(100, 180)}),
        ("b", {"text": [*range(100, 100 + shared), *range(900, 940)]}),
        ("c", {"text": range(500, 540)}),
    )
    assert sorted_by("lpm", queue) == names


@pytest.mark.parametrize(("cached", "deferred"), [(32, {"b"}), (33, set())])
def test_a_request_with_more_than_32_tokens_in_the_tree_waits_for_nobody(cached, deferred):
    text = list(range(100, 180))
    queue = queue_of(("a", {"text": text}), ("b", {"text": [*text[:60], 7]}))
    assert match_all(queue, context_of(caching(text[:cached]))) == deferred


@pytest.mark.parametrize(("length", "sorts"), [(128, True), (129, False)])
def test_lpm_leaves_a_queue_of_more_than_128_as_it_is(length, sorts):
    tree = caching(range(100, 150))
    shapes = [(f"r{i}", {"text": [9000 + i, 1]}) for i in range(length - 1)]
    queue = queue_of(*shapes, ("cached", {"text": range(100, 151)}))
    assert (sorted_by("lpm", queue, context_of(tree))[0] == "cached") is sorts


def test_dfs_weight_walks_the_heaviest_subtree_first():
    tree = caching(range(100, 150), range(200, 250))
    queue = queue_of(
        ("x", {"text": [*range(100, 150), 1]}),
        ("y1", {"text": [*range(200, 250), 1]}),
        ("y2", {"text": [*range(200, 250), 2]}),
    )
    assert sorted_by("dfs-weight", queue, context_of(tree)) == ["y1", "y2", "x"]


@given(st.lists(st.integers(0, 3), max_size=10))
def test_no_order_loses_or_doubles_a_request(kinds):
    tree = caching(range(100, 150), range(200, 250))
    texts = [range(100, 151), range(200, 251), [*range(100, 120), 5], range(300, 340)]
    for policy in ORDERS:
        queue = queue_of(*((f"r{i}", {"text": texts[k]}) for i, k in enumerate(kinds)))
        assert sorted(sorted_by(policy, queue, context_of(tree))) == sorted(
            f"r{i}" for i in range(len(kinds))
        )


def test_only_the_orders_that_look_at_the_tree_say_so():
    assert {name for name, order in ORDERS.items() if order.cache_aware} == {"lpm", "dfs-weight"}


def test_matching_for_the_order_never_touches_a_request_in_the_tree():
    tree = caching(range(100, 150))
    before = (tree.evictable, tree.protected, tree.allocator.available())
    match_all(queue_of(("a", {"text": np.arange(100, 151)})), context_of(tree))
    assert (tree.evictable, tree.protected, tree.allocator.available()) == before
