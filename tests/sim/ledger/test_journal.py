"""Postings on a device are looked at later, and come to exactly what they come to at once on a CPU."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.ledger.journal import MOST_KEPT
from sim.ledger.owners import FREE, REQUEST, SESSION, Ledger, TagPool
from sim.memory.backend import backend

UNITS = 9


class Pool:
    """A pool on a device, and three owners."""

    def __init__(self, device):
        self.ledger, self.place = Ledger(), backend(device)
        self.pool = TagPool(self.ledger, self.place, "full", UNITS, 2)
        self.owners = [self.ledger.tag(REQUEST, "a"), self.ledger.tag(SESSION, "s"), self.ledger.tag(REQUEST, "b")]
        self.content = self.place.zeros(UNITS + 1)[1]
        self.told = []

    def do(self, number, what, who, units):
        """One posting, in an event of its own."""
        at, owner, units = self.ledger.context, self.owners[who], self.place.put(units)
        at.event, at.iteration, at.op = number, number // 2, f"op{number}"
        self.ledger.about(f"r{number}", None)
        pool = self.pool
        if what == "write":
            self.content[units] = owner
        elif what == "alloc":
            pool.move(units, FREE, owner, "alloc")
        elif what == "each":
            pool.move(units, FREE, np.array([self.owners[(who + i) % 3] for i in range(len(units))]), "alloc")
        elif what == "pass on":
            pool.move(units, owner, self.owners[(who + 1) % 3], "insert")
        elif what == "orphan":
            pool.orphan(units, owner, f"what{number}", if_touched=who == 2)
        elif what == "taint":
            pool.taint(units, "alias", f"tainted by {number}", len(units))
        elif what == "read":
            off = self.content[units] == owner
            self.ledger.read(off, lambda: self.told.append(number), if_touched=who == 1)
        elif what == "close":
            pool.group_closed()
        else:
            pool.move(units, owner, FREE, "free", group=what == "free in group")

    def seen(self):
        """All that the postings came to."""
        self.ledger.settle()
        tainted = {unit: fault.what for unit, fault in sorted(self.pool.tainted.items())}
        tags = self.place.get(self.pool.tags).tolist()
        return self.ledger.fresh, self.ledger.touched, tainted, tags, self.told


WHAT = ("alloc", "alloc", "each", "pass on", "free", "free in group", "close", "orphan", "write", "read", "taint")
posting = st.tuples(
    st.sampled_from(WHAT), st.integers(0, 2), st.lists(st.integers(1, UNITS), min_size=1, max_size=4), st.booleans()
)


@given(st.lists(posting, max_size=30))
@settings(max_examples=300, deadline=None)
def test_whenever_they_are_looked_at_postings_come_to_the_same(postings):
    """Looked at now and then, at the very end, and at once on a CPU."""
    at_once, now_and_then, at_the_end = Pool("cpu"), Pool("torch:cpu"), Pool("torch:cpu")
    for number, (what, who, units, look) in enumerate(postings):
        for place in (at_once, now_and_then, at_the_end):
            place.do(number, what, who, units)
        if look:
            now_and_then.ledger.settle()
    assert now_and_then.seen() == at_once.seen()
    assert at_the_end.seen() == at_once.seen()


def test_nothing_is_read_before_the_look_and_one_flag_at_it(monkeypatch):
    pool, reads = Pool("torch:cpu"), []
    for name in ("get", "any", "flagged", "count"):
        monkeypatch.setattr(pool.place, name, lambda *_, name=name: bool(reads.append(name)))
    for number in range(5):
        pool.do(number, "alloc", 0, [number + 1])
        pool.do(number, "orphan", 1, [number + 1])
    assert reads == []
    pool.ledger.settle()
    pool.ledger.settle()
    assert reads == ["flagged"]
    assert pool.ledger.journal.looks == 1


def test_what_goes_wrong_is_blamed_on_its_own_event_and_the_present_one_goes_on():
    pool = Pool("torch:cpu")
    pool.do(4, "alloc", 0, [1])
    pool.do(7, "alloc", 2, [1])
    pool.do(9, "alloc", 2, [2])
    pool.ledger.settle()
    (fault,) = pool.ledger.fresh
    assert (fault.kind, fault.event, fault.iteration, fault.op, fault.request) == ("alias", 7, 3, "op7", "r7")
    at = pool.ledger.context
    assert (at.event, at.op, at.request) == (9, "op9", "r9")


def test_a_run_without_checks_does_not_grow_with_its_postings():
    pool = Pool("torch:cpu")
    for number in range(MOST_KEPT + 10):
        pool.do(number, ("alloc", "free")[number % 2], 0, [3])
    assert pool.ledger.journal.looks == 1
    assert len(pool.ledger.journal._postings) == 10


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
def test_what_was_read_is_told_only_if_it_is_off(device):
    pool = Pool(device)
    pool.do(1, "read", 0, [1, 2])
    pool.do(2, "write", 0, [2])
    pool.do(3, "read", 0, [1, 2])
    assert pool.seen()[-1] == [3]
