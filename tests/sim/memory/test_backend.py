"""Both backends give the same numbers for every operation."""

import numpy as np
import pytest
import torch
from helpers.kvtest import plain
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.memory.backend import NumpyBackend, backend
from sim.memory.devices import TorchBackend

NUMPY, TORCH = NumpyBackend(), TorchBackend("cpu")
BOTH = (NUMPY, TORCH)
values = st.lists(st.integers(-(2**40), 2**40), max_size=30)


def same(operation):
    """The result under both, as lists."""
    first, second = (plain(place.get(operation(place))) for place in BOTH)
    assert first == second
    return first


@given(values)
@settings(max_examples=60, deadline=None)
def test_put_and_get_return_what_went_in(numbers):
    assert same(lambda b: b.put(numbers)) == numbers


@given(values)
@settings(max_examples=60, deadline=None)
def test_unique_is_sorted_and_without_duplicates(numbers):
    assert same(lambda b: b.unique(b.put(numbers))) == sorted(set(numbers))


@given(st.lists(values, max_size=5))
@settings(max_examples=60, deadline=None)
def test_cat_joins_in_order(lists):
    assert same(lambda b: b.cat([b.put(part) for part in lists])) == [n for part in lists for n in part]


@given(st.integers(-50, 50), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_arange_counts_from_start_to_before_stop(start, length):
    assert same(lambda b: b.arange(start, start + length)) == list(range(start, start + length))


@given(values)
@settings(max_examples=60, deadline=None)
def test_count_any_and_flagged_look_for_what_is_not_zero(numbers):
    for place in BOTH:
        array = place.send(place.put([n % 3 for n in numbers]))
        assert place.count(array) == sum(n % 3 != 0 for n in numbers)
        assert place.any(array != 0) is any(n % 3 for n in numbers)
        assert place.flagged([array == 7, array != 0, array > 9]) is any(n % 3 for n in numbers)


@pytest.mark.parametrize("place", BOTH, ids=["numpy", "torch"])
def test_a_copy_is_not_reached_by_later_writes(place):
    _, array = place.twin(4)
    kept = place.copy(array[1:3])
    array[1:3] = 7
    assert plain(kept) == [0, 0]
    assert plain(array) == [0, 7, 7, 0]


@pytest.mark.parametrize("place", BOTH, ids=["numpy", "torch"])
def test_a_copy_of_int32_is_int64(place):
    _, array = place.twin((2, 3), torch.int32)
    array[1, 2] = 9
    kept = place.copy(array[1])
    assert plain(kept) == [0, 0, 9]
    assert str(kept.dtype).endswith("int64")


KINDS = [(place, kind) for place in BOTH for kind in ("zeros", "twin")]


@pytest.mark.parametrize(("place", "kind"), KINDS)
def test_writing_through_the_array_changes_the_tensor(place, kind):
    tensor, array = getattr(place, kind)((2, 3))
    array[1, 2] = 5
    array[0, 0:2] = place.put([7, 8])
    assert isinstance(tensor, torch.Tensor)
    assert tensor.tolist() == [[7, 8, 0], [0, 0, 5]]


@pytest.mark.parametrize(("place", "kind"), KINDS)
def test_fancy_indexing_reads_and_writes_by_position(place, kind):
    tensor, array = getattr(place, kind)(5)
    array[place.put([4, 1])] = place.put([40, 10])
    array[[2]] = 6
    assert plain(array[place.put([1, 4, 0])]) == [10, 40, 0]
    assert tensor.tolist() == [0, 10, 6, 0, 40]


@pytest.mark.parametrize(("place", "kind"), KINDS)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_of_what_is_written_to_one_place_the_last_stays(place, kind, writes):
    tensor, array = getattr(place, kind)(6)
    array[place.put([where for where, _ in writes])] = place.put([what for _, what in writes])
    kept = dict(writes)
    assert tensor.tolist() == [kept.get(where, 0) for where in range(6)]


@pytest.mark.parametrize(("place", "kind"), KINDS)
def test_another_shape_and_a_slice_are_the_same_memory(place, kind):
    tensor, array = getattr(place, kind)((2, 3))
    part = array.reshape(-1) if kind == "twin" else array[:, 0]
    part[place.put([1])] = 5
    assert tensor.tolist() == ([[0, 5, 0], [0, 0, 0]] if kind == "twin" else [[0, 0, 0], [5, 0, 0]])
    assert array.shape == (2, 3)
    assert len(array) == 2


def test_a_twin_cannot_be_changed_behind_the_device():
    _, array = TORCH.twin(4)
    with pytest.raises(ValueError, match="read-only"):
        array[1:3][:] = 7


def test_what_is_read_of_an_array_without_a_twin_stays_on_the_device():
    _, array = TORCH.zeros(4)
    assert isinstance(array[TORCH.put([1, 2])], torch.Tensor)
    assert isinstance(TORCH.get(array), np.ndarray)


def test_what_was_sent_is_not_reached_by_later_writes():
    host = np.arange(3)
    sent = TORCH.send(host)
    host += 5
    assert plain(sent) == [0, 1, 2]


def test_the_device_name_chooses_the_backend():
    assert isinstance(backend("cpu"), NumpyBackend)
    assert isinstance(backend("torch:cpu"), TorchBackend)


def test_indices_are_host_arrays_on_every_device():
    for place in BOTH:
        for array in (place.put([2, 1]), place.arange(0, 2), place.unique(place.put([1, 1])), place.cat([])):
            assert isinstance(array, np.ndarray)
            assert array.dtype == np.int64


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_an_exchange_writes_and_gives_what_was_there(places, one):
    tensor, array = TORCH.zeros(6)
    array[TORCH.arange(0, 6)] = TORCH.arange(10, 16)
    places = TORCH.put(places)
    value = 7 if one else TORCH.arange(20, 20 + len(places))
    assert plain(array.exchange(places, value)) == [10 + place for place in places]
    kept = dict(zip(places.tolist(), [7] * len(places) if one else value.tolist(), strict=True))
    assert tensor.tolist() == [kept.get(place, 10 + place) for place in range(6)]
