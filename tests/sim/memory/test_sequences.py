"""Random lives of requests over allocator, tree and ledger: every slot always has exactly one owner.

A request allocates for its text, shares it through the tree, locks what it uses, gives back its duplicates,
ends; frees may be grouped; the tree is evicted when memory is short. The count is made from sets of slots.
"""

from collections import Counter

import pytest
from helpers.kvtest import ints, plain, tree_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.ledger.owners import FREE, NODE, REQUEST

PAGES = 14
texts = st.lists(st.integers(0, 1), min_size=1, max_size=9)
operation = st.one_of(
    st.tuples(st.just("start"), texts),
    st.tuples(st.just("share"), st.integers(0, 5)),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("end_many"), st.integers(2, 4)),
    st.tuples(st.just("evict"), st.integers(1, 6)),
)


class Life:
    """One running request: its text, all its slots, and how many of them are the tree's."""

    def __init__(self, text, slots, shared, node, tag):
        self.text, self.slots, self.shared, self.node, self.tag = text, slots, shared, node, tag

    @property
    def own(self):
        return set(self.slots[self.shared :])


class Lives:
    def __init__(self, page_size, pairs):
        self.page = page_size
        self.tree = tree_of(PAGES * page_size, page_size, pairs=pairs)
        self.allocator = self.tree.allocator
        self.ledger = self.allocator.owners.ledger
        self.running = []

    def start(self, bits):
        text = ints([bit for bit in bits for _ in range(self.page)] + [5])
        prefix, node = self.tree.match(text[:-1])
        self.tree.lock(node)
        tag = self.ledger.tag(REQUEST, f"r{len(self.running)}")
        need = len(text) + self.page - len(prefix)
        if self.allocator.available() < need:
            self.tree.evict(need)
        last = prefix[-1:] if len(prefix) else ints([-1])
        got = self.allocator.alloc_extend(ints([len(prefix)]), ints([len(text)]), last, ints([tag]))
        if got is None:
            self.tree.unlock(node)
            return
        self.running.append(Life(text, plain(prefix) + plain(got), len(prefix), node, tag))

    def share(self, number):
        if not self.running:
            return
        life = self.running[number % len(self.running)]
        key = self.tree.units(life.text)
        known = self.tree.insert(key, ints(life.slots[: len(key)]), life.tag)
        self.allocator.free(ints(life.slots[life.shared : known]), life.tag)
        held, node = self.tree.match_units(key)
        life.slots[: len(held)] = plain(held)
        self.tree.lock(node)
        self.tree.unlock(life.node)
        life.shared, life.node = len(held), node

    def end(self, number):
        if self.running:
            life = self.running.pop(number % len(self.running))
            self.allocator.free(ints(life.slots[life.shared :]), life.tag)
            self.tree.unlock(life.node)

    def end_many(self, count):
        self.allocator.group_begin()
        for _ in range(count):
            self.end(0)
        self.allocator.group_end()

    def evict(self, pages):
        self.tree.evict(pages * self.page)

    def check(self):
        page, tree = self.page, self.tree
        free = plain(self.allocator.free_list.view())
        cached = {slot // page for node in tree.nodes() for slot in plain(node.value)}
        own = [slot // page for life in self.running for slot in life.own]
        own_pages = {p for life in self.running for p in {slot // page for slot in life.own}}
        assert sum(len({s // page for s in life.own}) for life in self.running) == len(own_pages)
        assert sorted(free + list(cached) + list(own_pages)) == list(range(1, PAGES + 1)), own
        assert tree.evictable + tree.protected == len(cached) * page
        locked = {s for life in self.running for s in life.slots[: life.shared]}
        assert tree.protected == len(locked)
        kinds = Counter(int(tag) & 3 if tag else FREE for tag in self.allocator.owners.tags[1:])
        assert (kinds[FREE], kinds[NODE], kinds[REQUEST]) == (len(free), len(cached), len(own_pages))
        assert not self.ledger.fresh


@pytest.mark.parametrize("pairs", [False, True], ids=["tokens", "pairs"])
@pytest.mark.parametrize("page_size", [1, 4])
@given(st.lists(operation, min_size=12, max_size=40))
@settings(max_examples=60, deadline=None)
def test_every_slot_has_exactly_one_owner_after_every_operation(page_size, pairs, operations):
    lives = Lives(page_size, pairs)
    for what, value in operations:
        getattr(lives, what)(value)
        lives.check()
