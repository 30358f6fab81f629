"""The rows: which are free, in what order they go, and how far each names slots."""

import pytest
from helpers.kvtest import DEVICES, ints, plain
from hypothesis import given
from hypothesis import strategies as st

from sim.ledger.owners import FREE, Ledger, TagPool
from sim.memory.backend import backend
from sim.memory.rows import RowPool

OWNER = 6


def rows_of(count=4, width=10, first=1, device="cpu"):
    place = backend(device)
    return RowPool(place, count, width, first, TagPool(Ledger(), place, "rows", count + first, 1))


def test_0_5_10_begins_at_row_0_and_0_5_11_leaves_row_0_as_padding():
    assert list(rows_of(first=0).free) == [0, 1, 2, 3]
    assert list(rows_of(first=1).free) == [1, 2, 3, 4]
    assert rows_of(first=1).tensor.shape == (5, 10)


@given(st.lists(st.integers(0, 4), max_size=30))
def test_rows_are_taken_from_the_front_and_given_back_at_the_end(counts):
    rows, model, taken = rows_of(), [1, 2, 3, 4], []
    for count in counts:
        got = rows.take(count)
        if count > len(model):
            assert got is None
            if taken:
                row = taken.pop(0)
                rows.give_back(row, FREE)
                model.append(row)
            continue
        assert got == model[:count]
        taken += model[:count]
        del model[:count]
        assert list(rows.free) == model


def test_a_row_given_back_twice_stands_twice_and_is_a_double_free():
    rows = rows_of()
    (row,) = rows.take(1)
    rows.posted(row, FREE, OWNER)
    rows.give_back(row, OWNER)
    rows.give_back(row, OWNER)
    assert list(rows.free) == [2, 3, 4, 1, 1]
    assert [fault.kind for fault in rows.owners.ledger.fresh] == ["double-free"]


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_written_is_read_as_int64(device):
    rows = rows_of(device=device)
    rows.write(2, 3, backend(device).put([70, 80]))
    got = rows.read(2, 2, 6)
    assert plain(got) == [0, 70, 80, 0]
    assert str(got.dtype).endswith("int64")


def test_a_read_is_a_copy():
    rows = rows_of()
    kept = rows.read(1, 0, 2)
    rows.write(1, 0, ints([5, 6]))
    assert plain(kept) == [0, 0]


def test_extent_is_how_far_a_row_names_slots():
    rows = rows_of()
    rows.write(1, 0, ints([5, 6, 7]))
    rows.write(1, 1, ints([8]))
    assert rows.extent.tolist() == [0, 3, 0, 0, 0]


@pytest.mark.parametrize("device", DEVICES)
def test_the_flat_view_is_the_same_memory(device):
    rows = rows_of(device=device)
    rows.flat[2 * 10 + 4] = 9
    assert int(rows.tensor[2, 4]) == 9
