"""What the trees with two halves share: order of use, walking, splitting."""

from helpers.kvtest import allocator_of, ints, plain

from sim.memory.halves import HalvesTree

OWNER = 6


class Halves(HalvesTree):
    """A tree whose second half is divided with its node."""

    def _split_other(self, upper, child):
        upper.tombstone, upper.other_lock = child.tombstone, child.other_lock


def tree_with(*texts, page_size=1):
    allocator = allocator_of(64, page_size)
    tree = Halves(allocator._backend, allocator, allocator.owners.ledger)
    for text in texts:
        slots = allocator.alloc_extend(ints([0]), ints([len(text)]), ints([-1]), OWNER)
        known = tree.insert(ints(text), slots, OWNER)
        allocator.free(slots[:known], OWNER)
    return tree


def keys(nodes):
    return [plain(node.key) for node in nodes]


def test_each_node_has_a_time_of_its_own_and_the_nearer_to_the_root_the_longer_ago():
    tree = tree_with((1,), (1, 2), (1, 2, 3), (9,))
    deepest = next(node for node in tree.nodes() if plain(node.key) == [3])
    tree.use_path(deepest)
    assert keys(tree.by_use(other=False)) == [[9], [1], [2], [3]]
    assert len({node.last_access for node in tree.nodes()}) == 4


def test_the_second_list_leaves_tombstones_out():
    tree = tree_with((1,), (1, 2), (9,))
    for node in tree.nodes():
        tree.use(node)
        node.tombstone = plain(node.key) == [1]
    assert [1] not in keys(tree.by_use(other=True))
    assert len(tree.by_use(other=True)) == 2


def test_a_walk_follows_the_key_and_says_how_much_of_each_node_it_shares():
    tree = tree_with((1, 2, 3), (1, 2, 3, 4, 5, 6))
    assert [(plain(n.key), shared) for n, shared in tree.walk(ints([1, 2, 3, 4, 5, 9]))] == [
        ([1, 2, 3], 3), ([4, 5, 6], 2),
    ]  # fmt: skip
    assert list(tree.walk(ints([2]))) == []


def test_a_walk_knows_whole_pages_only():
    tree = tree_with((1, 2, 3, 4), page_size=2)
    assert [shared for _, shared in tree.walk(ints([1, 2, 3, 9]))] == [2]
    assert list(tree.walk(ints([1]))) == []


def test_splitting_makes_the_upper_part_then_the_lower_one_the_most_recently_used():
    tree = tree_with((1, 2, 3), (9,))
    node = next(node for node in tree.nodes() if plain(node.key) == [1, 2, 3])
    node.other_lock = node.lock_ref = 2
    upper = tree._split(node, 1)
    assert keys(tree.by_use(other=False)) == [[9], [1], [2, 3]]
    assert (upper.lock_ref, upper.other_lock, upper.tombstone) == (2, 2, False)


def test_using_a_leaf_puts_it_at_the_end_of_both_queues_for_eviction():
    tree = tree_with((1,), (2,), (3,))
    for node in tree.nodes():
        tree.others.push(node)
    one = next(node for node in tree.nodes() if plain(node.key) == [1])
    tree.use(one)
    assert plain(tree.leaves.pop().key) == [2]
    order = [plain(tree.others.pop().key) for _ in range(3)]
    assert order == [[2], [3], [1]]
