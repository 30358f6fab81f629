"""The free list behaves as a plain list that is taken from at the front and added to at both ends."""

import pytest
from helpers.kvtest import DEVICES, ints, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.memory.backend import backend
from sim.memory.freelist import FreeList

indices = st.lists(st.integers(1, 40), max_size=60)
operation = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 50)),
    st.tuples(st.just("back"), indices),
    st.tuples(st.just("front"), indices),
)


@given(st.sampled_from(DEVICES), st.integers(1, 40), st.lists(operation, max_size=30))
@settings(max_examples=150, deadline=None)
def test_it_equals_a_plain_list_after_every_operation(device, size, operations):
    place = backend(device)
    free, model = FreeList(place, 1, size), list(range(1, size + 1))
    for what, value in operations:
        if what == "take":
            count = min(value, len(model))
            assert plain(free.take(count)) == model[:count]
            del model[:count]
        elif what == "back":
            free.put_back(place.put(value))
            model += value
        else:
            free.put_front(place.put(value))
            model[:0] = value
        assert plain(free.view()) == model
        assert len(free) == len(model)


@pytest.mark.parametrize("device", DEVICES)
def test_what_was_taken_does_not_change_when_the_list_is_written_again(device):
    place = backend(device)
    free = FreeList(place, 1, 4)
    taken = free.take(2)
    free.put_front(place.put([9, 8]))
    assert plain(taken) == [1, 2]


@pytest.mark.parametrize("device", DEVICES)
def test_duplicates_make_it_grow_beyond_the_pool(device):
    place = backend(device)
    free = FreeList(place, 1, 3)
    for _ in range(500):
        free.put_back(place.put([1, 2, 3]))
    assert plain(free.view()) == [1, 2, 3] * 501


def test_turning_over_a_small_list_a_thousand_times_keeps_its_buffer():
    free = FreeList(backend("cpu"), 1, 50)
    room = len(free.tensor)
    for _ in range(1000):
        free.put_back(free.take(37))
    assert len(free.tensor) == room
    assert sorted(plain(free.view())) == list(range(1, 51))


def test_front_and_back_keep_the_order_given():
    free = FreeList(backend("cpu"), 1, 2)
    free.put_front(ints([7, 5]))
    free.put_back(ints([9, 3]))
    assert plain(free.view()) == [7, 5, 1, 2, 9, 3]
