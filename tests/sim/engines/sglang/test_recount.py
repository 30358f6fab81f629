"""Consecutive recounts of pools made by hand: what got worse, and whose it was."""

from types import SimpleNamespace

import numpy as np
import pytest

from sim.engines.sglang.owners import Owners
from sim.engines.sglang.recount import Recount
from sim.ledger.owners import SESSION
from sim.ledger.physical import Holder, count_rows, tally

PAGE = 4


class Pool:
    """Four pages and two rows: page 1 free, page 2 the tree's, pages 3 and 4 in row 0 of session a."""

    page, units = PAGE, 4

    def __init__(self, tag):
        self.free, self.tree, self.free_rows = [1], [2], [1]
        self.holders, self.named = [Holder(tag, 0, 0, 2)], [3, 4]

    def count(self):
        free, tree, named = (np.array(pages, dtype=np.int64) for pages in (self.free, self.tree, self.named))
        return tally(PAGE, 4, free, tree, self.holders, named), count_rows(0, 2, self.free_rows, self.holders)

    def rows_free(self):
        return set(self.free_rows)

    def rows_free_twice(self):
        return {row for row in self.free_rows if self.free_rows.count(row) > 1}


@pytest.fixture
def owners():
    return Owners(SimpleNamespace(session_controller=SimpleNamespace(sessions={})))


@pytest.fixture
def tag(owners):
    return owners.session(SimpleNamespace(session_id="a"))


@pytest.fixture
def pool(tag):
    return Pool(tag)


@pytest.fixture
def recount(pool, owners):
    return Recount(pool, owners)


def worse(recount, pool, about=(), closed=None):
    faults = recount.compare(*pool.count(), list(about), closed or {})
    return [(f["kind"], f["pool"], f["count"], f["units"], f["request"], f["session"]) for f in faults]


def test_nothing_moved_and_nothing_is_worse(recount, pool):
    assert worse(recount, pool) == []
    assert not recount.touched


def test_what_changes_hands_soundly_is_not_worse(recount, pool, tag):
    pool.free, pool.holders, pool.named = [3, 4, 1], [], []
    pool.free_rows = [1, 0]
    assert worse(recount, pool, [(tag, ("a/1", "a"))]) == []


def test_what_the_next_turn_overwrites_is_an_orphan_of_its_session_and_names_the_turn(recount, pool, tag):
    pool.free, pool.named = [], [3, 1]
    assert worse(recount, pool, [(tag, ("a/2", "a"))]) == [("orphan", "full", PAGE, [4], "a/2", "a")]
    assert recount.touched


def test_what_is_lost_and_handled_by_nobody_is_left_to_the_counts_until_something_has_gone_wrong(recount, pool, tag):
    """A decode step over that of another turn in the same row."""
    pool.named = [3, 3]
    assert worse(recount, pool) == []
    pool.free, pool.named = [], [1, 1]
    assert worse(recount, pool, [(tag, ("a/2", "a"))]) == [("orphan", "full", PAGE, [3], "a/2", "a")]
    pool.named = [4, 4]
    assert worse(recount, pool) == [("orphan", "full", PAGE, [1], None, "a")]


def test_a_page_of_the_tree_that_is_lost_is_left_to_the_counts(recount, pool, tag):
    pool.tree = []
    assert worse(recount, pool, [(tag, ("a/2", "a"))]) == []


def test_where_the_row_is_lost_its_pages_are_left_to_the_counts(recount, pool, tag):
    pool.holders, pool.named = [], []
    assert worse(recount, pool, [(tag, ("a/2", "a"))]) == []


def test_a_page_that_comes_to_stand_twice_in_the_free_list(recount, pool, tag):
    pool.free, pool.holders, pool.named, pool.free_rows = [1, 3, 3, 4], [], [], [1, 0]
    assert worse(recount, pool, [(tag, ("a/1", "a"))]) == [("double-free", "full", PAGE, [3], "a/1", "a")]
    assert worse(recount, pool) == []


def test_a_session_closed_under_its_turn(recount, pool, tag):
    pool.free, pool.free_rows = [1, 3, 4], [1, 0]
    assert worse(recount, pool, closed={tag: "a"}) == [("alias", "full", 2 * PAGE, [3, 4], None, "a")]


def test_what_a_row_and_the_tree_name_and_the_row_frees(recount, pool, tag):
    pool.tree = [2, 3]
    assert worse(recount, pool) == []
    pool.free, pool.holders, pool.named, pool.free_rows = [1, 3, 4], [], [], [1, 0]
    assert worse(recount, pool, [(tag, ("a/1", "a"))]) == [("foreign-free", "full", PAGE, [3], "a/1", "a")]


def test_what_is_free_and_named_for_another_reason_is_left_to_the_counts(recount, pool):
    pool.free = [1, 3]
    assert worse(recount, pool) == []
    assert not recount.touched


def test_what_was_booked_and_moves_on_touches_but_is_no_new_finding(recount, pool, tag):
    pool.free, pool.free_rows = [1, 3, 4], [1, 0]
    worse(recount, pool, closed={tag: "a"})
    pool.free, pool.holders, pool.named = [1, 3, 4, 3, 4], [], []
    assert worse(recount, pool, [(tag, ("a/2", None))]) == []
    assert recount.touched


def test_a_row_that_is_handed_back_twice(recount, pool, tag):
    pool.holders, pool.named, pool.free, pool.free_rows = [], [], [1, 3, 4], [1, 0, 0]
    assert worse(recount, pool, [(tag, ("a/1", None))]) == [("double-free", "rows", 1, [0], "a/1", None)]


def test_a_session_that_is_opened_again_is_another_owner(owners):
    first, second = (owners.session(SimpleNamespace(session_id="a")) for _ in range(2))
    assert first != second
    assert owners.names(first) == owners.names(second) == (None, "a")
    assert first & 3 == SESSION


def test_a_turn_is_owned_by_its_session_also_when_it_has_lost_it(owners):
    session = SimpleNamespace(session_id="a")
    turn = SimpleNamespace(rid="a/1", session=session)
    tag = owners.request(turn)
    turn.session = None
    assert owners.request(turn) == tag == owners.session(session)
    other = owners.request(SimpleNamespace(rid="r", session=None))
    assert owners.names(other) == ("r", None)
