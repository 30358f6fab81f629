"""The radix tree against a dictionary of prefixes: matches, splits, locks, counters, evictions."""

import numpy as np
import pytest
from helpers.kvtest import DEVICES, PrefixModel, ints, plain, tree_of
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.eviction import EVICTION_ORDERS
from sim.ledger.owners import NODE

OWNER = 6
POOL = 96
texts = st.lists(st.integers(0, 1), max_size=16).map(tuple)
operation = st.one_of(
    st.tuples(st.just("insert"), texts),
    st.tuples(st.just("insert"), texts),
    st.tuples(st.just("match"), texts),
    st.tuples(st.just("lock"), texts),
    st.tuples(st.just("unlock"), st.integers(0, 9)),
    st.tuples(st.just("evict"), st.integers(0, 20)),
)


def spread(text, page_size):
    """A short text over {0, 1} as pages that are equal or differ as a whole now and then inside."""
    return tuple(
        token if i % page_size == 0 else 7
        for i, token in enumerate(t for t in text for _ in range(page_size))
    )


class Pair:
    """A tree and its model, driven together."""

    def __init__(self, page_size, order):
        self.tree = tree_of(POOL * page_size, page_size, order=order)
        self.model = PrefixModel(page_size, order)
        self.page = page_size
        self.locks = []

    def insert(self, text):
        allocator, priority = self.tree.allocator, sum(text) % 3
        slots = allocator.alloc_extend(ints([0]), ints([len(text)]), ints([-1]), OWNER)
        if slots is None:
            return
        known = self.model.insert(text, plain(slots), priority)
        assert self.tree.insert(ints(text), slots, OWNER, priority=priority) == known
        allocator.free(slots[:known], OWNER)

    def match(self, text):
        slots, node = self.tree.match(ints(text))
        assert plain(slots) == self.model.match(text)
        return node, text[: len(slots)]

    def lock(self, text):
        node, matched = self.match(text)
        self.tree.lock(node)
        self.model.lock(matched, 1)
        self.locks.append((node, matched))

    def unlock(self, number):
        if self.locks:
            node, matched = self.locks.pop(number % len(self.locks))
            self.tree.unlock(node)
            self.model.lock(matched, -1)

    def evict(self, tokens):
        tags = self.tree.allocator.owners.tags
        freed = self.tree.evict(tokens)
        gone = self.model.evict(tokens)
        assert freed == sum(map(len, gone))
        assert all(tags[slot // self.page] == 0 for leaf in gone for slot in leaf)

    def check(self):
        model, tree = self.model, self.tree
        assert tree.evictable == model.tokens(locked=False)
        assert tree.protected == model.tokens(locked=True)
        assert sorted(s for n in tree.nodes() for s in plain(n.value)) == sorted(model.slots.values())
        assert len(list(tree.nodes())) == len(model.nodes)
        assert tree.allocator.available() + tree.evictable + tree.protected == POOL * self.page
        assert not tree.allocator.owners.ledger.fresh


@pytest.mark.parametrize("order", sorted(EVICTION_ORDERS))
@given(st.sampled_from([1, 4]), st.lists(operation, min_size=12, max_size=40))
@settings(max_examples=45, deadline=None)
def test_it_equals_a_dictionary_of_prefixes_after_every_operation(order, page_size, operations):
    pair = Pair(page_size, order)
    for what, value in operations:
        getattr(pair, what)(spread(value, page_size) if isinstance(value, tuple) else value)
        pair.check()


@pytest.mark.parametrize("device", DEVICES)
def test_a_match_returns_the_slots_that_were_inserted(device):
    tree = tree_of(10, device=device)
    slots = tree.allocator.alloc(5, OWNER)
    tree.insert(ints([1, 2, 3, 4, 5]), slots, OWNER)
    assert plain(tree.match(ints([1, 2, 3, 9]))[0]) == [1, 2, 3]


def filled(page_size=1, **more):
    """A tree that holds 1 … 8."""
    tree = tree_of(32, page_size, **more)
    slots = tree.allocator.alloc_extend(ints([0]), ints([8]), ints([-1]), OWNER)
    tree.insert(ints(range(1, 9)), slots, OWNER)
    return tree


def test_matching_is_by_whole_pages():
    tree = filled(page_size=4)
    assert len(tree.match(ints([1, 2, 3, 4, 5, 6, 7, 99]))[0]) == 4
    assert len(tree.match(ints([1, 2, 3]))[0]) == 0
    assert len(tree.match(ints([1, 2, 3, 4, 5, 6, 7]))[0]) == 4


def test_a_match_inside_a_node_splits_it_and_changes_no_counter():
    tree = filled()
    _, node = tree.match(ints([1, 2, 3]))
    assert plain(node.key) == [1, 2, 3]
    assert [plain(child.key) for child in node.children.values()] == [[4, 5, 6, 7, 8]]
    assert (tree.evictable, tree.protected) == (8, 0)


def test_splitting_a_locked_node_locks_both_halves():
    tree = filled()
    tree.lock(tree.match(ints(range(1, 9)))[1])
    _, upper = tree.match(ints([1, 2]))
    assert [upper.lock_ref, *(c.lock_ref for c in upper.children.values())] == [1, 1]
    assert (tree.evictable, tree.protected) == (0, 8)


def test_a_lock_protects_the_path_and_not_what_is_below_it():
    tree = filled()
    _, upper = tree.match(ints([1, 2, 3]))
    tree.lock(upper)
    assert (tree.evictable, tree.protected) == (5, 3)
    assert tree.evict(100) == 5
    assert plain(tree.match(ints(range(1, 9)))[0]) == [1, 2, 3]


def test_two_locks_need_two_unlocks():
    tree = filled()
    _, node = tree.match(ints(range(1, 9)))
    tree.lock(node)
    tree.lock(node)
    tree.unlock(node)
    assert tree.evict(1) == 0
    tree.unlock(node)
    assert tree.evict(1) == 8


def test_the_root_is_never_evicted_and_locking_it_protects_nothing():
    tree = tree_of(8)
    tree.lock(tree.root)
    assert (tree.evict(5), tree.protected, tree.root.lock_ref) == (0, 0, 1)


def test_a_parent_becomes_evictable_when_its_last_child_goes():
    tree = filled()
    tree.match(ints([1, 2, 3]))
    assert tree.evict(6) == 8
    assert tree.evictable == 0
    assert tree.allocator.available() == 32


def test_eviction_takes_whole_leaves_and_may_overshoot():
    tree = filled()
    assert tree.evict(1) == 8


def test_an_insert_of_what_is_there_returns_its_length_and_takes_no_slots():
    tree = filled()
    slots = tree.allocator.alloc(8, OWNER)
    assert tree.insert(ints(range(1, 9)), slots, OWNER) == 8
    assert tree.evictable == 8
    assert {int(tree.allocator.owners.tags[s]) for s in slots} == {OWNER}


def test_a_text_that_is_wanted_again_by_a_more_important_request_is_worth_more():
    tree = tree_of(16, order="priority")
    for text, priority in (([1, 2], 0), ([3, 4], 1), ([1, 2], 5)):
        tree.insert(ints(text), tree.allocator.alloc(2, OWNER), OWNER, priority=priority)
    assert tree.evict(1) == 2
    assert [plain(node.key) for node in tree.nodes()] == [[1, 2]]


def test_inserted_slots_belong_to_the_new_node():
    tree = filled()
    (node,) = tree.nodes()
    assert node.tag & 3 == NODE
    assert {int(tree.allocator.owners.tags[s]) for s in node.value} == {node.tag}


@given(st.integers(0, 12))
def test_pairs_cache_all_tokens_but_the_last(count):
    tree = tree_of(16, pairs=True)
    text = ints(range(1, count + 1))
    units = tree.units(text)
    tree.insert(units, tree.allocator.alloc(len(units), OWNER), OWNER)
    assert tree.evictable == max(count - 1, 0)
    assert len(tree.match(text)[0]) == max(count - 1, 0)


def test_pairs_need_both_tokens_to_agree():
    tree = tree_of(16, pairs=True)
    units = tree.units(ints([1, 2, 3, 4]))
    tree.insert(units, tree.allocator.alloc(3, OWNER), OWNER)
    assert len(tree.match(ints([1, 2, 9, 4]))[0]) == 1


def test_pairs_are_cut_to_whole_pages():
    tree = tree_of(32, 4, pairs=True)
    assert [len(tree.units(np.arange(n))) for n in (4, 5, 8, 9)] == [0, 4, 4, 8]


def test_a_disabled_tree_matches_inserts_and_locks_nothing():
    tree = tree_of(8)
    tree.disabled = True
    assert tree.insert(ints([1, 2]), tree.allocator.alloc(2, OWNER), OWNER) == 0
    slots, node = tree.match(ints([1, 2]))
    tree.lock(node)
    assert (len(slots), node is tree.root, tree.evictable, tree.protected) == (0, True, 0, 0)


def test_the_shadow_tree_compares_texts_and_owns_nothing():
    tree = filled()
    shadow = tree.shadow()
    shadow.insert(ints([1, 2, 3]), ints([0, 1, 2]), 0)
    assert len(shadow.match(ints([1, 2, 9]))[0]) == 2
    assert (tree.evictable, tree.allocator.available()) == (8, 24)
