"""Both backends give the same numbers for every operation."""

import numpy as np
import pytest
import torch
from helpers.kvtest import plain
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.memory.backend import NumpyBackend, TorchBackend, backend

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
def test_count_and_any_look_for_what_is_not_zero(numbers):
    for place in BOTH:
        array = place.put([n % 3 for n in numbers])
        assert place.count(array) == sum(n % 3 != 0 for n in numbers)
        assert place.any(array != 0) is any(n % 3 for n in numbers)


@pytest.mark.parametrize("place", BOTH, ids=["numpy", "torch"])
def test_a_copy_is_not_reached_by_later_writes(place):
    _, array = place.zeros(4)
    kept = place.copy(array[1:3])
    array[1:3] = 7
    assert plain(kept) == [0, 0]
    assert plain(array) == [0, 7, 7, 0]


@pytest.mark.parametrize("place", BOTH, ids=["numpy", "torch"])
def test_a_copy_of_int32_is_int64(place):
    _, array = place.zeros((2, 3), torch.int32)
    array[1, 2] = 9
    kept = place.copy(array[1])
    assert plain(kept) == [0, 0, 9]
    assert str(kept.dtype).endswith("int64")


@pytest.mark.parametrize("place", BOTH, ids=["numpy", "torch"])
def test_writing_through_the_array_changes_the_tensor(place):
    tensor, array = place.zeros((2, 3))
    array[1, 2] = 5
    assert isinstance(tensor, torch.Tensor)
    assert tensor.tolist() == [[0, 0, 0], [0, 0, 5]]


@pytest.mark.parametrize("place", BOTH, ids=["numpy", "torch"])
def test_fancy_indexing_reads_and_writes_by_position(place):
    _, array = place.zeros(5)
    array[place.put([4, 1])] = place.put([40, 10])
    assert plain(array[place.put([1, 4, 0])]) == [10, 40, 0]


def test_the_device_name_chooses_the_backend():
    assert isinstance(backend("cpu"), NumpyBackend)
    assert isinstance(backend("torch:cpu"), TorchBackend)


def test_torch_put_accepts_a_tensor_of_another_type():
    assert plain(TORCH.put(torch.tensor([1, 2], dtype=torch.int32))) == [1, 2]
    assert TORCH.put(np.array([3], dtype=np.int32)).dtype == torch.int64
