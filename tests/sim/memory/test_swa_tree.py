"""The tree of two halves: what is usable, what is locked, what an insert keeps, what is given up first."""

from itertools import pairwise

import pytest
from helpers.kvtest import ints, plain
from helpers.swatest import halves_of, swa_tree_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engines.protocol import EngineCrash
from sim.ledger.owners import FREE, NODE, REQUEST


class Hand:
    """A tree of single tokens with window 4, and requests made by hand."""

    def __init__(self, *, window=4, size=200, spares_leaf=True):
        self.allocator = halves_of(size, size, window=window)
        self.tree = swa_tree_of(self.allocator, spares_leaf=spares_leaf)
        self.ledger = self.allocator.owners.ledger

    def slots(self, count, tag):
        return self.allocator.alloc_extend(ints([0]), ints([count]), ints([-1]), tag)

    def insert(self, text, *, evicted=0, protected=0, cut=0):
        """A request with this text, whose windowed half is gone in [cut, evicted), ends."""
        tag = self.ledger.tag(REQUEST, "r")
        slots = self.slots(len(text), tag)
        self.allocator.free_swa(slots[cut:evicted], tag)
        present = self.tree.insert_cut(ints(text), slots, tag, protected=protected, evicted=evicted)
        return present, plain(slots)

    def match(self, text):
        slots, node = self.tree.match_units(ints(text))
        return len(slots), node

    @property
    def shape(self):
        """Per node its end, whether its windowed half is gone, and both locks."""
        found = []
        stack = [(node, 0) for node in self.tree.root.children.values()]
        while stack:
            node, above = stack.pop()
            end = above + len(node.key)
            found.append((end, node.tombstone, node.lock_ref, node.other_lock))
            stack += [(child, end) for child in node.children.values()]
        return sorted(found)

    @property
    def sizes(self):
        tree = self.tree
        return tree.evictable, tree.protected, tree.other_evictable, tree.other_protected


TEXT = list(range(20))


def test_without_tombstones_all_that_is_cached_is_usable():
    hand = Hand()
    hand.insert(TEXT)
    assert hand.match([*TEXT[:13], 99])[0] == 13


@pytest.mark.parametrize(("asked", "usable"), [(20, 20), (14, 14), (13, 0), (10, 0), (3, 0)])
def test_below_a_tombstone_a_window_must_follow(asked, usable):
    hand = Hand()
    hand.insert(TEXT, evicted=10)
    assert hand.match(TEXT[:asked])[0] == usable


def test_above_a_tombstone_all_is_usable_that_reaches_it():
    hand = Hand()
    hand.insert(TEXT[:6])
    hand.insert(TEXT, evicted=15, protected=6, cut=6)
    assert hand.match(TEXT[:17])[0] == 6
    assert hand.match(TEXT)[0] == 20


def test_between_two_tombstones_a_window_is_enough():
    hand = Hand()
    hand.insert(TEXT[:9], evicted=3)
    hand.insert(TEXT, evicted=17, protected=9, cut=9)
    assert hand.shape == [(3, True, 0, 0), (9, False, 0, 0), (17, True, 0, 0), (20, False, 0, 0)]
    assert hand.match(TEXT)[0] == 9


def test_a_request_that_ends_leaves_a_tombstone_down_to_its_cursor_and_a_leaf_below():
    hand = Hand()
    assert hand.insert(TEXT, evicted=12)[0] == 0
    assert hand.shape == [(12, True, 0, 0), (20, False, 0, 0)]
    assert hand.sizes == (20, 0, 8, 0)


@pytest.mark.parametrize(("spares_leaf", "sizes"), [(True, (0, 0, 0, 0)), (False, (20, 0, 20, 0))])
def test_a_text_without_any_windowed_half_is_not_kept_by_0_5_11_and_counts_as_windowed_in_0_5_10(spares_leaf, sizes):
    hand = Hand(spares_leaf=spares_leaf)
    hand.insert(TEXT, evicted=20)
    assert hand.sizes == sizes
    assert hand.allocator.half.available() == 200
    assert hand.allocator.full.available() == 200 - sizes[0]


def test_case_1_a_tombstone_that_starts_below_the_cursor_takes_the_slots_of_the_request():
    hand = Hand()
    _, old = hand.insert(TEXT, evicted=10)
    present, new = hand.insert(TEXT)
    assert present == 20
    assert plain(hand.match(TEXT)[1].parent.value) == new[:10]
    assert hand.shape == [(10, False, 0, 0), (20, False, 0, 0)]
    free = plain(hand.allocator.free_list.view())
    assert free[-20:] == old[:10] + new[10:]
    assert hand.sizes == (20, 0, 20, 0)


def test_case_2_a_tombstone_around_the_cursor_is_split_and_only_its_lower_part_taken():
    hand = Hand()
    _, old = hand.insert(TEXT, evicted=10)
    _, new = hand.insert(TEXT, evicted=6)
    assert hand.shape == [(6, True, 0, 0), (10, False, 0, 0), (20, False, 0, 0)]
    leaf = hand.match(TEXT)[1]
    assert (plain(leaf.parent.parent.value), plain(leaf.parent.value)) == (old[:6], new[6:10])
    assert plain(hand.allocator.free_list.view())[-20:] == old[6:10] + new[:6] + new[10:]


def test_case_3_a_tombstone_above_the_cursor_stays():
    hand = Hand()
    _, old = hand.insert(TEXT, evicted=10)
    hand.insert(TEXT, evicted=10)
    assert hand.shape == [(10, True, 0, 0), (20, False, 0, 0)]
    assert plain(hand.match(TEXT)[1].parent.value) == old[:10]


def test_what_was_protected_is_neither_freed_nor_taken():
    hand = Hand()
    hand.insert(TEXT, evicted=10)
    free = hand.allocator.full.available()
    hand.insert(TEXT, protected=20)
    assert hand.allocator.full.available() == free - 20
    assert hand.shape[0] == (10, True, 0, 0)


def test_a_cursor_inside_a_page_stops_the_release_at_a_tombstone():
    allocator = halves_of(64, 64, 4, window=4)
    tree = swa_tree_of(allocator)
    for evicted in (8, 6):
        slots = allocator.alloc_extend(ints([0]), ints([16]), ints([-1]), 6)
        allocator.free_swa(slots[: evicted // 4 * 4], 6)
        if evicted == 8:
            tree.insert_cut(ints(TEXT[:16]), slots, 6, protected=0, evicted=evicted)
    with pytest.raises(EngineCrash, match="must be page aligned"):
        tree.insert_cut(ints(TEXT[:16]), slots, 6, protected=0, evicted=6)


# -- locks ------------------------------------------------------------------------------------------------


def chain(hand, *ends):
    """One text in nodes that end here."""
    for end in ends:
        hand.insert(TEXT[:end])
    return hand.match(TEXT[: ends[-1]])[1]


def test_the_windowed_half_is_locked_until_the_window_is_full_and_the_node_there_is_marked():
    hand = Hand()
    node = chain(hand, 5, 8, 10, 12)
    mark = hand.tree.lock_until(node)
    assert hand.shape == [(5, False, 1, 0), (8, False, 1, 0), (10, False, 1, 1), (12, False, 1, 1)]
    assert (mark, node.parent.mark, node.marked) == (1, 1, False)
    assert hand.sizes == (0, 12, 8, 4)


def test_a_text_shorter_than_the_window_is_locked_to_the_root_and_marks_nothing():
    hand = Hand(window=50)
    assert hand.tree.lock_until(chain(hand, 5, 8)) is None
    assert hand.shape == [(5, False, 1, 1), (8, False, 1, 1)]


def test_unlocking_needs_the_mark_that_the_lock_gave():
    hand = Hand()
    node = chain(hand, 5, 8, 10, 12)
    hand.tree.lock_until(node)
    with pytest.raises(EngineCrash, match="swa_lock_ref=0"):
        hand.tree.unlock_until(node, None)
    hand = Hand()
    node = chain(hand, 5, 8, 10, 12)
    mark = hand.tree.lock_until(node)
    hand.tree.unlock_until(node, mark)
    assert hand.sizes == (12, 0, 12, 0)
    assert all(locks == (0, 0) for *_, full, half in hand.shape for locks in [(full, half)])


def test_two_requests_that_stop_at_one_node_share_its_mark():
    hand = Hand()
    node = chain(hand, 5, 8, 12)
    assert hand.tree.lock_until(node) == hand.tree.lock_until(node) == 1
    assert hand.tree.lock_until(node.parent) == 2


def test_a_split_moves_the_mark_to_the_upper_part_so_that_what_was_locked_is_unlocked():
    hand = Hand()
    node = chain(hand, 5, 12)
    mark = hand.tree.lock_until(node)
    hand.match(TEXT[:9])
    assert [n.mark for n in (node, node.parent, node.parent.parent)] == [None, mark, None]
    hand.tree.unlock_until(node, mark)
    assert hand.sizes == (12, 0, 12, 0)


# -- eviction ---------------------------------------------------------------------------------------------


def test_leaves_go_first_and_take_bare_tombstones_above_them_along():
    hand = Hand()
    hand.insert(TEXT, evicted=12)
    hand.insert([50, 51, 52])
    assert hand.tree.evict(1) == 20
    assert hand.sizes == (3, 0, 3, 0)


def test_then_windowed_halves_go_of_whichever_node_was_used_longest_ago():
    hand = Hand()
    chain(hand, 5, 8)
    hand.insert([50, 51, 52])
    hand.tree.evict(0, 5)
    assert hand.shape == [(3, False, 0, 0), (5, True, 0, 0), (8, False, 0, 0)]
    hand.tree.evict(0, 1)
    assert hand.shape == [(3, False, 0, 0)]


def test_an_inner_node_loses_its_windowed_half_only():
    hand = Hand()
    chain(hand, 5, 8)
    hand.tree.lock_until(hand.match(TEXT[:8])[1])
    hand.tree.unlock_until(hand.match(TEXT[:8])[1], 1)
    assert hand.tree.evict(0, 2) == 0
    assert hand.shape == [(5, True, 0, 0), (8, False, 0, 0)]
    assert (hand.allocator.full.available(), hand.allocator.half.available()) == (192, 197)


def test_the_leaves_that_went_count_for_both_halves():
    hand = Hand()
    hand.insert(TEXT)
    hand.insert([50, 51, 52])
    hand.tree.evict(20, 20)
    assert hand.sizes == (3, 0, 3, 0)


def test_a_windowed_half_that_is_locked_stays_while_those_above_the_window_go():
    hand = Hand()
    node = chain(hand, 5, 8, 12)
    hand.tree.lock_until(node)
    assert hand.tree.evict(100, 100) == 0
    assert hand.shape == [(5, True, 1, 0), (8, True, 1, 0), (12, False, 1, 1)]


# -- any order of operations --------------------------------------------------------------------------------

WINDOW_PAGES = 2
PAGES = 26
texts = st.lists(st.integers(0, 1), min_size=1, max_size=9)
operation = st.one_of(
    st.tuples(st.just("start"), texts),
    st.tuples(st.just("share"), st.integers(0, 5)),
    st.tuples(st.just("decode"), st.integers(0, 30)),
    st.tuples(st.just("window"), st.integers(0, 5)),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("drop"), st.integers(0, 5)),
    st.tuples(st.just("end_many"), st.integers(2, 4)),
    st.tuples(st.just("evict"), st.tuples(st.integers(0, 6), st.integers(0, 6))),
)


class Life:
    """One running request: text, slots, p, e, the node it has locked and from where on down both halves are."""

    def __init__(self, text, slots, node, tag):
        self.text, self.slots, self.node, self.tag = text, slots, node, tag
        self.p = self.e = 0
        self.mark, self.locked_from = None, 0


class Lives:
    """Requests over one tree; what must hold is counted from sets of slots and from the locks that were asked for."""

    def __init__(self, page, pairs):
        self.page, self.window = page, WINDOW_PAGES * page
        self.allocator = halves_of(PAGES * page, (PAGES - 6) * page, page, window=self.window)
        self.tree = swa_tree_of(self.allocator, pairs=pairs)
        self.ledger = self.allocator.owners.ledger
        self.running = []

    def _lock(self, life, node):
        path, at = [], node
        while at is not self.tree.root:
            path.append(at)
            at = at.parent
        ends = [0]
        for passed in reversed(path):
            ends.append(ends[-1] + len(passed.key))
        starts = [start for start, end in pairwise(ends) if ends[-1] - start >= self.window]
        life.locked_from = starts[-1] if starts else 0
        life.node, life.mark = node, self.tree.lock_until(node)

    def _extend(self, life, count):
        need = count + self.page
        short = [max(0, need - half.available()) for half in (self.allocator.full, self.allocator.half)]
        if any(short):
            self.tree.evict(*short)
        start = len(life.slots)
        last = ints(life.slots[-1:] or [-1])
        got = self.allocator.alloc_extend(ints([start]), ints([start + count]), last, life.tag)
        if got is not None:
            life.slots += plain(got)
        return got is not None

    def start(self, bits):
        text = [bit for bit in bits for _ in range(self.page)] + [5]
        slots, node = self.tree.match(ints(text[:-1]))
        life = Life(text, plain(slots), node, self.ledger.tag(REQUEST, f"r{len(self.running)}"))
        life.p = len(slots)
        self._lock(life, node)
        if self._extend(life, len(text) - len(slots)):
            self.running.append(life)
        else:
            self.tree.unlock_until(life.node, life.mark)

    def share(self, number):
        """As after a prefill: nothing of it has left the window yet."""
        life = self.running[number % len(self.running)] if self.running else None
        if life is None or life.e:
            return
        key = self.tree.units(ints(life.text))
        self.tree.insert_cut(key, ints(life.slots[: len(key)]), life.tag, protected=life.p)
        held, node = self.tree.match_units(key)
        assert len(held) == len(key)
        life.slots[life.p : len(held)] = plain(held)[life.p :]
        life.p = len(held)
        self.tree.unlock_until(life.node, life.mark)
        self._lock(life, node)

    def decode(self, count):
        if self.running:
            life = self.running[count % len(self.running)]
            if self._extend(life, 1 + count // 6):
                life.text += [7] * (1 + count // 6)

    def window_moves(self, life):
        stop = (len(life.text) - self.window - self.page) // self.page * self.page
        start = max(life.e, life.p)
        if stop > start:
            self.allocator.free_swa(ints(life.slots[start:stop]), life.tag)
            life.e = stop

    def window_of(self, number):
        if self.running:
            self.window_moves(self.running[number % len(self.running)])

    def end(self, number, keep=True):
        if not self.running:
            return
        life = self.running.pop(number % len(self.running))
        key = self.tree.units(ints(life.text))
        if keep:
            self.tree.insert_cut(key, ints(life.slots[: len(key)]), life.tag, protected=life.p, evicted=life.e)
        else:
            self.allocator.free(ints(life.slots[life.p : len(key)]), life.tag)
        self.allocator.free(ints(life.slots[len(key) :]), life.tag)
        self.tree.unlock_until(life.node, life.mark)

    def drop(self, number):
        self.end(number, keep=False)

    def end_many(self, count):
        self.allocator.group_begin()
        for _ in range(count):
            self.end(0)
        self.allocator.group_end()

    def evict(self, pages):
        self.tree.evict(pages[0] * self.page, pages[1] * self.page)

    # -- what must hold ---------------------------------------------------------------------------------

    def check(self):
        page, pool = self.page, self.allocator.pool
        mapping = {slot: int(half) for slot, half in enumerate(pool.backend.get(pool.mapping)[:-1].tolist())}
        cached, windowed = self._nodes(mapping)
        own = [{slot // page for slot in life.slots[life.p :]} for life in self.running]
        half_own = [
            {mapping[slot] // page for slot in life.slots[max(life.p, life.e) :]} for life in self.running
        ]
        for half, tree, requests in ((self.allocator.full, cached, own), (self.allocator.half, windowed, half_own)):
            free = plain(half.free_list.view())
            everything = [*free, *tree, *(unit for units in requests for unit in units)]
            assert sorted(everything) == list(range(1, half.size // page + 1))
            kinds = [int(tag) & 3 if tag else FREE for tag in pool.backend.get(half.owners.tags)[1:].tolist()]
            assert [kinds.count(kind) for kind in (FREE, NODE, REQUEST)] == [
                len(free), len(tree), sum(map(len, requests)),
            ]  # fmt: skip
        self.ledger.settle()
        assert not self.ledger.fresh

    def _nodes(self, mapping):
        """Pages of both halves that nodes have; locks, tombstones and the four sizes on the way."""
        tree, page = self.tree, self.page
        cached, windowed = [], []
        sizes = [0, 0, 0, 0]
        stack = [(node, ()) for node in tree.root.children.values()]
        while stack:
            node, above = stack.pop()
            path = (*above, *plain(node.key))
            start, length = len(above), len(node.key)
            over = [life for life in self.running if self._locks(life, path)]
            assert node.lock_ref == len(over)
            assert node.other_lock == sum(start >= life.locked_from for life in over)
            assert not (node.tombstone and (node.other_lock or not node.children))
            slots = plain(node.value)
            assert all((mapping[slot] == 0) is node.tombstone for slot in slots)
            cached += sorted({slot // page for slot in slots})
            windowed += sorted({mapping[slot] // page for slot in slots if mapping[slot]})
            sizes[0 if not over else 1] += length
            if not node.tombstone:
                sizes[2 if not node.other_lock else 3] += length
            stack += [(child, path) for child in node.children.values()]
        assert sizes == [tree.evictable, tree.protected, tree.other_evictable, tree.other_protected]
        order = [node.last_access for node in tree.by_use(other=False)]
        assert len(set(order)) == len(order)
        return cached, windowed

    def _locks(self, life, path):
        """Whether the lock of a request reaches down to the end of this path."""
        if life.node is self.tree.root:
            return False
        text, at = (), life.node
        while at is not self.tree.root:
            text = (*plain(at.key), *text)
            at = at.parent
        return text[: len(path)] == path


@pytest.mark.parametrize("pairs", [False, True], ids=["tokens", "pairs"])
@pytest.mark.parametrize("page_size", [1, 4, 16])
@given(st.lists(operation, min_size=10, max_size=36))
@settings(max_examples=60, deadline=None)
def test_every_page_of_either_half_has_exactly_one_owner_after_every_operation(page_size, pairs, operations):
    lives = Lives(page_size, pairs)
    for what, value in operations:
        {"window": lives.window_of}.get(what, getattr(lives, what))(value)
        lives.check()


def test_a_tree_that_is_switched_off_keeps_nothing():
    hand = Hand()
    hand.tree.disabled = True
    hand.insert(TEXT)
    assert len(hand.tree.match(ints(TEXT))[0]) == 0
    assert (hand.tree.lock_until(hand.tree.root), hand.tree.evict(5, 5), hand.sizes) == (None, 0, (0, 0, 0, 0))
