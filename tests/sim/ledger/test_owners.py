"""Postings: a move from the wrong owner is a fault at that very event, and one cause makes one fault."""

import pytest
from helpers.kvtest import DEVICES, ints, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.ledger.owners import FREE, NOBODY, NODE, REQUEST, SESSION, Ledger, NoOwners, TagPool
from sim.memory.backend import backend


class Posted:
    """A pool of ten units, and two requests."""

    def __init__(self, device="cpu", unit_size=1):
        self.ledger, self.place = Ledger(), backend(device)
        self.pool = TagPool(self.ledger, self.place, "full", 10, unit_size)
        self.a, self.b = self.ledger.tag(REQUEST, "a"), self.ledger.tag(REQUEST, "b")

    def move(self, units, src, dst, op="free", **more):
        self.pool.move(self.place.put(units), src, dst, op, **more)

    def orphan(self, units, owner):
        self.pool.orphan(self.place.put(units), owner, "row 3 was overwritten from 26 on")

    @property
    def faults(self):
        self.ledger.settle()
        return self.ledger.fresh

    @property
    def kinds(self):
        return [(fault.kind, fault.count) for fault in self.faults]

    @property
    def tags(self):
        self.ledger.settle()
        return plain(self.place.get(self.pool.tags)[1:])


@pytest.fixture(params=DEVICES)
def posted(request):
    return Posted(request.param)


def test_a_move_from_the_true_owner_is_no_fault(posted):
    posted.move([1, 2], FREE, posted.a, "alloc")
    posted.move([2], posted.a, posted.b, "insert")
    posted.move([1], posted.a, FREE)
    assert posted.tags[:3] == [FREE, posted.b, FREE]
    assert posted.kinds == []


def test_freeing_what_is_free_is_a_double_free(posted):
    posted.move([4, 5], posted.a, FREE)
    assert posted.kinds == [("double-free", 2)]
    assert posted.faults[0].what == "free: 2 slots of request a freed although free already"


def test_freeing_what_another_owns_is_a_foreign_free_and_leaves_it_with_its_owner(posted):
    posted.move([4], FREE, posted.b, "alloc")
    posted.move([4], posted.a, FREE)
    assert posted.kinds == [("foreign-free", 1)]
    assert posted.tags[3] == posted.b
    assert "although owned by request b" in posted.faults[0].what


def test_handing_out_what_another_owns_is_an_alias_and_the_latest_owner_wins(posted):
    posted.move([4], FREE, posted.b, "alloc")
    posted.move([4], FREE, posted.a, "alloc")
    assert posted.kinds == [("alias", 1)]
    assert posted.tags[3] == posted.a


def test_units_of_right_and_wrong_owners_are_posted_each_for_itself(posted):
    posted.move([1, 2, 3], FREE, posted.a, "alloc")
    posted.move([2], posted.a, FREE)
    posted.move([1, 2, 3], posted.a, FREE)
    assert posted.kinds == [("double-free", 1)]
    assert posted.faults[0].units == [2]
    assert posted.tags[:3] == [FREE] * 3


def test_sources_and_targets_may_differ_by_unit(posted):
    owners = posted.place.get(posted.place.put([posted.a, posted.b]))
    posted.move([1, 2], FREE, owners, "alloc")
    assert posted.tags[:2] == [posted.a, posted.b]
    posted.move([1, 2], owners, FREE)
    assert posted.kinds == []


def test_losing_the_last_name_of_an_owned_unit_is_an_orphan(posted):
    posted.move([1, 2, 3], FREE, posted.a, "alloc")
    posted.orphan([2, 3], posted.a)
    assert posted.kinds == [("orphan", 2)]
    assert posted.tags[:3] == [posted.a, NOBODY, NOBODY]
    assert posted.faults[0].what.startswith("row 3 was overwritten from 26 on; nothing names 2 slots of request a")


def test_losing_the_name_of_what_somebody_else_owns_is_no_fault(posted):
    posted.move([1], FREE, posted.b, "alloc")
    posted.orphan([1, 7], posted.a)
    assert posted.kinds == []


def test_a_unit_named_by_several_positions_is_lost_once(posted):
    posted.move([1], FREE, posted.a, "alloc")
    posted.orphan([1, 1, 1], posted.a)
    assert posted.kinds == [("orphan", 1)]


def test_a_page_counts_as_many_slots_as_it_has():
    posted = Posted(unit_size=16)
    posted.move([1, 2], posted.a, FREE)
    posted.move([3], FREE, posted.a, "alloc")
    posted.orphan([3], posted.a)
    assert posted.kinds == [("double-free", 32), ("orphan", 16)]


def test_a_unit_freed_twice_within_one_group_is_no_fault(posted):
    posted.move([1, 2], FREE, posted.a, "alloc")
    posted.move([1, 2], posted.a, FREE, group=True)
    posted.move([2], posted.a, FREE, group=True)
    posted.pool.group_closed()
    assert posted.kinds == []


def test_a_unit_freed_again_after_its_group_is_a_fault(posted):
    posted.move([1], FREE, posted.a, "alloc")
    posted.move([1], posted.a, FREE, group=True)
    posted.pool.group_closed()
    posted.move([1], posted.a, FREE, group=True)
    assert posted.kinds == [("double-free", 1)]


def test_a_unit_free_before_the_group_began_is_a_fault_within_it(posted):
    posted.move([1], posted.a, FREE, group=True)
    assert posted.kinds == [("double-free", 1)]


def test_what_follows_from_a_fault_recurs_but_makes_no_second_one(posted):
    posted.move([1], FREE, posted.a, "alloc")
    posted.move([1], FREE, posted.b, "alloc")
    for _ in range(3):
        posted.move([1], posted.a, FREE)
    assert posted.kinds == [("alias", 1)]
    assert posted.faults[0].recurrences == 3


def test_a_unit_freed_twice_stays_under_suspicion_after_it_was_handed_out_again(posted):
    posted.move([1], posted.a, FREE)
    posted.move([1], FREE, posted.b, "alloc")
    posted.move([1], posted.a, FREE)
    assert posted.kinds == [("double-free", 1)]
    assert posted.faults[0].recurrences == 1
    assert posted.tags[0] == posted.b


def test_a_lost_unit_that_is_freed_after_all_is_in_order_again(posted):
    posted.move([1], FREE, posted.a, "alloc")
    posted.orphan([1], posted.a)
    posted.move([1], posted.a, FREE)
    assert posted.kinds == [("orphan", 1)]
    assert posted.tags[0] == FREE
    assert posted.pool.tainted == {}


def test_a_fault_names_the_event_in_which_it_happened(posted):
    at = posted.ledger.context
    at.event, at.iteration, at.time, at.op = 41, 7, 0.5, "decode"
    posted.ledger.about("a/2", "a")
    posted.move([3], posted.a, FREE)
    (fault,) = posted.faults
    assert (fault.event, fault.iteration, fault.time, fault.op) == (41, 7, 0.5, "decode")
    assert (fault.request, fault.session, fault.units) == ("a/2", "a", [3])


def test_a_fault_names_at_most_sixteen_units():
    posted = Posted()
    pool = TagPool(posted.ledger, posted.place, "big", 100, 1)
    pool.move(posted.place.arange(1, 51), posted.a, FREE, "free")
    (fault,) = posted.faults
    assert (fault.count, fault.units) == (50, list(range(1, 17)))


def test_a_pool_without_owners_posts_nothing():
    pool = NoOwners(backend("cpu"))
    pool.move(ints([1, 2, 3]), FREE, 9, "alloc")
    pool.move(ints([1, 2, 3]), FREE, 9, "alloc")
    assert pool.ledger.fresh == []


def test_owners_are_named_in_words():
    ledger = Ledger()
    assert ledger.name(FREE) == "the free list"
    assert ledger.name(NOBODY) == "nobody"
    assert ledger.name(ledger.tag(SESSION, "s1")) == "session s1"
    assert ledger.name(ledger.tag(REQUEST, "a/1")) == "request a/1"
    assert ledger.name(ledger.tag(NODE, "")) == "node 3"


def test_the_name_of_an_owner_that_is_gone_is_kept_for_a_while_and_not_for_ever():
    ledger = Ledger()
    first = ledger.tag(REQUEST, "first")
    ledger.forget(first)
    assert ledger.name(first) == "request first"
    for i in range(5000):
        ledger.forget(ledger.tag(REQUEST, f"r{i}"))
    assert "first" not in ledger.name(first)
    assert len(ledger._names) <= 4096


units_of = st.lists(st.integers(1, 8), min_size=1, max_size=4, unique=True)
posting = st.tuples(st.sampled_from(["alloc", "free"]), st.integers(0, 1), units_of)


@given(st.sampled_from(DEVICES), st.lists(posting, max_size=25))
@settings(max_examples=100, deadline=None)
def test_a_unit_is_at_fault_exactly_when_a_dictionary_of_owners_says_so(device, operations):
    posted, owners = Posted(device), dict.fromkeys(range(1, 9), FREE)
    for what, who, units in operations:
        owner = (posted.a, posted.b)[who]
        source, target = (FREE, owner) if what == "alloc" else (owner, FREE)
        expected = any(owners[u] != source for u in units)
        before = posted.ledger.touched
        posted.move(units, source, target, what)
        posted.ledger.settle()
        assert (posted.ledger.touched > before) is expected
        for unit in units:
            if what == "alloc" or owners[unit] == owner:
                owners[unit] = target
        assert posted.tags[:8] == list(owners.values())
