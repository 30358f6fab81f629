"""Nodes of a tree, counted as what they are not."""

from sim.ledger.counted import Kept, in_tree


def node(start, stop, first, counted, owned, *, locked=False):
    return Kept(start, stop, range(first, first + stop - start), locked, counted, owned)


def test_a_tree_that_counts_what_it_has_is_sound():
    assert in_tree([node(0, 4, 1, 4, 4), node(4, 8, 5, 0, 0)], 4, "swa") == []


def test_nodes_are_named_from_the_root_on_with_what_they_own():
    wrong = in_tree([node(8, 12, 9, 0, 4, locked=True), node(0, 4, 1, 4, 4), node(4, 8, 5, 4, 0)], 8, "swa")
    assert [(m.counted, m.true, m.text) for m in wrong] == [
        (4, 0, "the tree's node of positions 4 to 7, slots 5–8, owns 0 SWA tokens, the books count 4 in evictable"),
        (0, 4, "the tree's node of positions 8 to 11, slots 9–12, owns 4 SWA tokens, the books count 0 in protected"),
    ]


def test_many_nodes_are_summed_up():
    wrong = in_tree([node(n, n + 1, n, 1, 0) for n in range(6)], 6, "swa")
    assert len(wrong) == 5
    assert wrong[-1].text == "2 more nodes of the tree own 0 SWA tokens, the books count 2"


def test_counters_that_are_not_the_sum_of_the_nodes():
    (wrong,) = in_tree([node(0, 4, 1, 1, 1)], 3, "mamba")
    assert (wrong.counted, wrong.true, wrong.pool) == (3, 1, "mamba")
    assert wrong.text == "the tree has 1 state in its nodes, its counters say 3"


def test_slots_in_pieces_are_cut_short():
    (wrong,) = in_tree([Kept(0, 5, [1, 3, 5, 6, 9], False, 5, 4)], 5, "full")
    assert "slots 1, 3, 5–6, …, owns 4 tokens" in wrong.text
