"""The tree of recurrent models against dictionaries: matches, splits, states, locks, both evictions, both lists."""

import numpy as np
import pytest
from helpers.kvtest import DEVICES, allocator_of, ints, plain
from helpers.statetree import StateTreeModel
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.config import MambaConfig
from sim.ledger.owners import FREE, NODE, TagPool
from sim.memory.backend import backend
from sim.memory.mamba_tree import MambaTree
from sim.memory.presets import PRESETS
from sim.memory.states import StatePool

OWNER = 6
TOKENS, STATES = 64, 10
texts = st.lists(st.integers(0, 1), max_size=10).map(tuple)
operation = st.one_of(
    st.tuples(st.just("insert"), texts),
    st.tuples(st.just("insert"), texts),
    st.tuples(st.just("match"), texts),
    st.tuples(st.just("lock"), texts),
    st.tuples(st.just("unlock"), st.integers(0, 9)),
    st.tuples(st.just("evict"), st.integers(0, 12)),
    st.tuples(st.just("evict_states"), st.integers(0, 3)),
)


def tree_of(page_size=1, device="cpu", disabled=False):
    allocator = allocator_of(TOKENS * page_size, page_size, device)
    place, ledger = backend(device), allocator.owners.ledger
    states = StatePool(
        place, MambaConfig(slots=STATES), PRESETS["tiny"], TagPool(ledger, place, "mamba", STATES, 1),
        page_size=page_size, overlap=False,
    )  # fmt: skip
    return MambaTree(place, allocator, states, ledger, disabled=disabled)


class Pair:
    """A tree and its model, driven together."""

    def __init__(self, page_size, device="cpu"):
        self.page = page_size
        self.tree = tree_of(page_size, device)
        self.model = StateTreeModel(TOKENS * page_size, page_size, STATES)
        self.locks = []

    def spread(self, text):
        """Short texts over {0, 1} as whole pages that differ in their first token."""
        return tuple(t if i % self.page == 0 else 7 for i, t in enumerate(t for t in text for _ in range(self.page)))

    def match(self, text):
        text = self.spread(text)
        found = self.tree.find(ints(text))
        usable, raw = self.model.match(text)
        assert (plain(found.slots), found.raw) == (usable, raw)
        return found.node, text[: len(usable)]

    def insert(self, text):
        """As a prefill does it: reuse what is locked, bring slots for all the rest, and a state of its own."""
        _, held = self.match(text)
        text, tree = self.spread(text), self.tree
        wanted = ints([0]), ints([len(text) - len(held)]), ints([-1])
        fresh = tree.allocator.alloc_extend(*wanted, OWNER)
        state = tree.states.alloc(1, OWNER)
        mine = self.model.pool.extend([0], [len(text) - len(held)], [-1])
        if fresh is not None and state is not None:
            assert plain(fresh) == mine
            slots = self.model.slots(held) + mine
            known = self.model.insert(text, slots, self.model.states.pop(0), len(held))
            assert tree.insert_state(ints(text), ints(slots), state[0], OWNER, protected=len(held)) == known
            if known[1]:
                tree.states.free(state, OWNER)
                self.model.states.append(state[0])
            return
        if state is not None:
            tree.states.free(state, OWNER)
            self.model.states.append(self.model.states.pop(0))
        if fresh is not None:
            tree.allocator.free(fresh, OWNER)
            self.model.pool.free(mine)

    def lock(self, text):
        node, held = self.match(text)
        self.tree.lock(node)
        self.model.lock(held, 1)
        self.locks.append((node, held))

    def unlock(self, number):
        if self.locks:
            node, held = self.locks.pop(number % len(self.locks))
            self.tree.unlock(node)
            self.model.lock(held, -1)

    def evict(self, tokens):
        assert self.tree.evict(tokens) == self.model.evict(tokens)

    def evict_states(self, count):
        assert self.tree.evict_states(count) == self.model.evict_states(count)

    def text_of(self, node):
        keys = []
        while node.parent is not None:
            keys.append(plain(node.key))
            node = node.parent
        return tuple(t for key in reversed(keys) for t in key)

    def check(self):
        tree, model = self.tree, self.model
        assert plain(tree.allocator.free_list.view()) == model.pool.pages
        assert plain(tree.states.free_list.view()) == model.states
        assert [self.text_of(n) for n in tree.by_use(other=False)] == model.by_use
        assert [self.text_of(n) for n in tree.by_use(other=True)] == model.states_by_use
        for node in tree.nodes():
            mine = model.nodes[self.text_of(node)]
            assert (node.lock_ref, node.state_lock, node.state) == (mine.lock, mine.state_lock, mine.state)
            assert node.tombstone == (node.state is None)
            assert node.children or node.state is not None
        assert (tree.evictable, tree.protected) == (model.tokens(locked=False), model.tokens(locked=True))
        assert (tree.other_evictable, tree.other_protected) == (model.held(locked=False), model.held(locked=True))
        assert not tree.allocator.owners.ledger.fresh


@pytest.mark.parametrize("page_size", [1, 2])
@settings(max_examples=400, deadline=None)
@given(operations=st.lists(operation, max_size=30))
def test_it_does_what_the_dictionaries_do(page_size, operations):
    pair = Pair(page_size)
    for name, argument in operations:
        getattr(pair, name)(argument)
        pair.check()


@pytest.mark.parametrize("device", DEVICES)
def test_states_and_slots_belong_to_the_node(device):
    pair = Pair(1, device)
    pair.insert((0, 0, 1))
    pair.insert((0, 1, 1))
    for node in pair.tree.nodes():
        tags = plain(pair.tree.backend.get(pair.tree.allocator.owners.tags[node.value]))
        assert set(tags) == {node.tag}
        assert node.tag & 3 == NODE
        if node.state is not None:
            assert int(pair.tree.states.owners.tags[node.state]) == node.tag


def test_a_split_leaves_the_state_below_and_the_upper_part_unusable():
    pair = Pair(1)
    pair.insert((0, 0, 1, 1))
    found = pair.tree.find(ints([0, 0]))
    assert (len(found.slots), found.raw, found.node) == (0, 2, pair.tree.root)
    assert len(pair.tree.find(ints([0, 0, 1, 1, 0])).slots) == 4


def test_an_exact_hit_on_a_tombstone_adopts_the_state_and_one_on_a_state_does_not():
    pair = Pair(1)
    pair.insert((0, 0, 1, 1))
    pair.match((0, 0))
    slots = plain(pair.tree.allocator.alloc_extend(ints([0]), ints([2]), ints([-1]), OWNER))
    (state,) = pair.tree.states.alloc(1, OWNER)
    assert pair.tree.insert_state(ints([0, 0]), ints(slots), state, OWNER, protected=0) == (2, False)
    assert pair.tree.find(ints([0, 0])).node.state == state
    (again,) = pair.tree.states.alloc(1, OWNER)
    assert pair.tree.insert_state(ints([0, 0]), ints([9, 9]), again, OWNER, protected=2) == (2, True)
    assert int(pair.tree.states.owners.tags[again]) == OWNER


def test_a_leaf_whose_state_goes_takes_the_bare_tombstones_above_with_it():
    pair = Pair(1)
    pair.insert((0, 0, 1, 1))
    pair.match((0, 0))
    assert len(list(pair.tree.nodes())) == 2
    assert pair.tree.evict_states(1) == 1
    assert list(pair.tree.nodes()) == []
    assert (pair.tree.evictable, pair.tree.other_evictable) == (0, 0)
    assert pair.tree.allocator.available() == TOKENS


def test_a_locked_state_stays_and_so_does_the_path_above_it():
    pair = Pair(1)
    pair.insert((0,))
    pair.insert((0, 1))
    node, _ = pair.match((0, 1))
    pair.tree.lock(node)
    assert pair.tree.evict(9) == 0
    assert pair.tree.evict_states(9) == 1
    assert [n.state is None for n in pair.tree.by_use(other=False)] == [True, False]


def test_a_disabled_tree_holds_nothing():
    tree = tree_of(disabled=True)
    assert tree.insert_state(ints([1, 2]), ints([1, 2]), 1, OWNER, protected=0) == (0, False)
    assert tree.find(ints([1, 2])).node is tree.root
    assert (tree.evict(5), tree.evict_states(5)) == (0, 0)
    assert tree.states.owners.tags[1] == FREE
    assert np.all(plain(tree.states.free_list.view()) == ints(range(1, STATES + 1)))


def test_only_what_lies_beyond_the_protected_part_is_freed_as_a_duplicate():
    pair = Pair(1)
    pair.insert((0, 0, 1, 1))
    allocator = pair.tree.allocator
    mine = allocator.alloc_extend(ints([0]), ints([4]), ints([-1]), OWNER)
    before = allocator.available()
    (state,) = pair.tree.states.alloc(1, OWNER)
    slots = ints([*plain(next(iter(pair.tree.nodes())).value)[:3], mine[3]])
    assert pair.tree.insert_state(ints([0, 0, 1, 1]), slots, state, OWNER, protected=3) == (4, True)
    assert allocator.available() == before + 1
    assert plain(allocator.free_list.view())[-1] == mine[3]
