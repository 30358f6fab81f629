"""The heap of evictable leaves forgets lazily, but always gives the cheapest present one."""

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.memory.eviction import LeafHeap

operation = st.one_of(
    st.tuples(st.sampled_from(["push", "touch", "discard"]), st.integers(0, 9), st.integers(0, 50)),
    st.tuples(st.just("pop"), st.just(0), st.just(0)),
)


@given(st.lists(operation, max_size=80))
@settings(max_examples=100, deadline=None)
def test_it_equals_a_search_for_the_minimum(operations):
    leaves = [SimpleNamespace(name=i, cost=0) for i in range(10)]
    heap, present, clock = LeafHeap(lambda leaf: leaf.cost), {}, 0
    for what, number, cost in operations:
        leaf, clock = leaves[number], clock + 1
        if what == "pop":
            expected = min(present, key=lambda i: present[i], default=None)
            popped = heap.pop()
            assert (popped.name if popped else None) == expected
            present.pop(expected, None)
        elif what == "discard":
            heap.discard(leaf)
            present.pop(number, None)
        else:
            leaf.cost = cost if what == "push" or number in present else leaf.cost
            getattr(heap, what)(leaf)
            if what == "push" or number in present:
                present[number] = (cost, clock)
        assert len(heap) == len(present)


def test_a_touched_leaf_takes_its_new_place():
    first, second = SimpleNamespace(cost=1), SimpleNamespace(cost=2)
    heap = LeafHeap(lambda leaf: leaf.cost)
    heap.push(first)
    heap.push(second)
    first.cost = 3
    heap.touch(first)
    assert heap.pop() is second


def test_touching_a_leaf_that_left_does_not_bring_it_back():
    leaf = SimpleNamespace(cost=1)
    heap = LeafHeap(lambda leaf: leaf.cost)
    heap.push(leaf)
    heap.discard(leaf)
    heap.touch(leaf)
    assert heap.pop() is None


def test_a_hundred_thousand_touches_keep_the_heap_small():
    leaves = [SimpleNamespace(cost=i) for i in range(20)]
    heap = LeafHeap(lambda leaf: leaf.cost)
    for leaf in leaves:
        heap.push(leaf)
    for i in range(100_000):
        heap.touch(leaves[i % 20])
    assert len(heap) == 20
    assert len(heap._heap) <= 81
