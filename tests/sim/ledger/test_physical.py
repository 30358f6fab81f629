"""Counting pools made by hand: free lists, tree, rows."""

import numpy as np
import pytest

from sim.ledger.physical import Holder, count_rows, tally


def counted(units, free=(), tree=(), holders=(), named=(), page=1):
    plain = [np.array(numbers, dtype=np.int64) for numbers in (free, tree, named)]
    return tally(page, units, plain[0], plain[1], list(holders), plain[2])


def of(found):
    count = found.count("full")
    return count.lost, count.extra, count.lost_units, count.shared_units


@pytest.mark.parametrize("page", [1, 16])
def test_a_page_is_free_once_or_named_by_one(page):
    found = counted(6, free=[1, 2], tree=[3], holders=[Holder(7, 0, 1, 3)], named=[3, 4, 5], page=page)
    assert of(found) == (page, 0, (6,), ())
    assert found.owner.tolist() == [0, 0, 0, 0, 7, 7, 0]
    assert found.row.tolist() == [-1, -1, -1, -1, 0, 0, -1]


def test_a_page_that_stands_twice_in_the_free_list():
    assert of(counted(3, free=[1, 1, 2, 3])) == (0, 1, (), (1,))


def test_a_page_that_is_free_and_named():
    assert of(counted(2, free=[1, 2], holders=[Holder(7, 0, 0, 1)], named=[2])) == (0, 1, (), (2,))


def test_a_page_in_the_tree_that_a_row_takes_for_its_own():
    """Of the first two positions the tree may be the owner; the third is the row's, and in the tree all the same."""
    found = counted(3, tree=[1, 2, 3], holders=[Holder(7, 0, 2, 3)], named=[1, 2, 3])
    assert of(found) == (0, 1, (), (3,))


def test_a_protected_position_that_is_in_no_tree_is_the_rows():
    assert of(counted(1, holders=[Holder(7, 0, 1, 1)], named=[1])) == (0, 0, (), ())


def test_two_owners_of_one_page_and_one_owner_in_two_places():
    two = counted(1, holders=[Holder(7, 0, 0, 1), Holder(8, 1, 0, 1)], named=[1, 1])
    one = counted(1, holders=[Holder(7, 0, 0, 1), Holder(7, 0, 0, 1)], named=[1, 1])
    assert (of(two), of(one)) == ((0, 1, (), (1,)), (0, 0, (), ()))


def test_a_page_named_at_several_positions_of_a_row_counts_once():
    assert of(counted(1, holders=[Holder(7, 0, 0, 3)], named=[1, 1, 1], page=4)) == (0, 0, (), ())


def test_padding_belongs_to_nobody():
    found = counted(1, free=[1], holders=[Holder(7, 0, 0, 2)], named=[0, 0])
    assert of(found) == (0, 0, (), ())
    assert found.owner[0] == 0


@pytest.mark.parametrize("first", [0, 1])
def test_rows_are_free_or_named_by_one_owner(first):
    rows = [first + i for i in range(4)]
    holders = [Holder(7, rows[1], 0, 0), Holder(7, rows[1], 0, 0), Holder(8, rows[2], 0, 0), Holder(9, rows[2], 0, 0)]
    found = count_rows(first, 4, [rows[0]], holders)
    assert (found.lost, found.extra, found.lost_units, found.shared_units) == (1, 1, (rows[3],), (rows[2],))


def test_a_row_that_is_free_twice():
    found = count_rows(0, 1, [0, 0], [])
    assert (found.extra, found.error) == (1, 1)
