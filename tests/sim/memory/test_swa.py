"""Two halves of one slot: what is taken, mapped, given back and cleared, in the release's order."""

import pytest
from helpers.kvtest import ints, plain
from helpers.swatest import ListHalves, halves_of, state_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engines.protocol import EngineCrash
from sim.ledger.owners import FREE, REQUEST


def take(allocator, prefix, seq, last=-1, owner=6):
    return allocator.alloc_extend(ints([prefix]), ints([seq]), ints([last]), owner)


def mapping_of(allocator):
    return state_of(allocator)[2]


def test_taking_takes_both_halves_and_writes_down_which_belong_together():
    allocator = halves_of(10, 6)
    allocator.free_swa(take(allocator, 0, 3), 6)
    assert plain(take(allocator, 3, 5)) == [4, 5]
    assert mapping_of(allocator) == {4: 4, 5: 5}
    assert (allocator.full.available(), allocator.half.available(), allocator.available()) == (5, 4, 4)


def test_the_smaller_half_decides_whether_there_is_room():
    allocator = halves_of(10, 4)
    assert take(allocator, 0, 5) is None
    assert take(allocator, 0, 4) is not None
    assert allocator.alloc_decode(ints([5]), ints([0]), 6) is None


def test_with_pages_of_one_slot_giving_the_windowed_half_back_twice_does_nothing():
    allocator = halves_of(10, 6)
    slots = take(allocator, 0, 3)
    allocator.free_swa(slots[:2], 6)
    allocator.free_swa(slots[:2], 6)
    assert allocator.half.available() == 5
    assert mapping_of(allocator) == {3: 3}


def test_with_pages_one_slot_gives_the_page_back_and_the_others_go_on_naming_it():
    allocator = halves_of(16, 16, 4)
    slots = take(allocator, 0, 4)
    allocator.free_swa(slots[:1], 6)
    assert plain(allocator.half.free_list.view()) == [1, 2, 3, 4]
    assert mapping_of(allocator) == {5: 5, 6: 6, 7: 7}
    allocator.free_swa(slots[1:2], 6)
    assert plain(allocator.half.free_list.view()) == [1, 1, 2, 3, 4]


@pytest.mark.parametrize("page_size", [1, 4])
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4), st.booleans()), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_giving_back_for_many_at_once_is_as_one_after_the_other(page_size, requests):
    pools = halves_of(40 * page_size, 40 * page_size, page_size), halves_of(40 * page_size, 40 * page_size, page_size)
    given_back = [[], []]
    for number, (pages, start, gone) in enumerate(requests):
        for pool, parts in zip(pools, given_back, strict=True):
            tag = pool.owners.ledger.tag(REQUEST, f"r{number}")
            slots = take(pool, 0, pages * page_size, owner=tag)
            if gone:
                pool.free_swa(slots[:page_size], tag)
            parts.append((slots[min(start, pages) * page_size :], tag))
    one, many = pools
    for slots, tag in given_back[0]:
        one.free_swa(slots, tag)
    turn = [n for n, (slots, _) in enumerate(given_back[1]) for _ in slots]
    tags = [tag for slots, tag in given_back[1] for _ in slots]
    many.free_swa_each(ints([s for slots, _ in given_back[1] for s in plain(slots)]), ints(tags), ints(turn))
    assert state_of(one) == state_of(many)
    assert not many.owners.ledger.fresh
    assert plain(one.half.owners.tags) == plain(many.half.owners.tags)


def test_freeing_gives_both_halves_back_and_only_the_windowed_one_where_the_full_one_is_kept():
    allocator = halves_of(10, 6)
    slots = take(allocator, 0, 4)
    allocator.free_swa(slots[:2], 6)
    allocator.free(slots, 6)
    assert state_of(allocator) == ([5, 6, 7, 8, 9, 10, 1, 2, 3, 4], [5, 6, 1, 2, 3, 4], {})


def test_within_a_group_nothing_is_given_back_but_windowed_halves_alone():
    allocator = halves_of(10, 6)
    slots = take(allocator, 0, 4)
    allocator.group_begin()
    allocator.free(slots[:2], 6)
    allocator.free_swa(slots[2:], 6)
    assert (allocator.full.available(), allocator.half.available()) == (6, 4)
    allocator.group_end()
    assert state_of(allocator) == ([5, 6, 7, 8, 9, 10, 1, 2], [5, 6, 3, 4, 1, 2], {})


def test_a_page_freed_in_two_parts_of_one_group_goes_back_once():
    allocator = halves_of(16, 16, 4)
    slots = take(allocator, 0, 4)
    allocator.group_begin()
    allocator.free(slots[:2], 6)
    allocator.free(slots[2:], 6)
    allocator.group_end()
    assert state_of(allocator) == ([1, 2, 3, 4], [1, 2, 3, 4], {})
    assert not allocator.owners.ledger.fresh


def test_more_free_than_there_is_stops_the_release():
    allocator = halves_of(4, 4)
    slots = take(allocator, 0, 2)
    allocator.free(slots, 6)
    with pytest.raises(EngineCrash, match="AssertionError") as crash:
        allocator.free(slots, 6)
    assert crash.value.frames == ("free",)


@pytest.mark.parametrize(("spare_pages", "fits"), [(True, False), (False, True)])
def test_0_5_10_refuses_a_prefill_that_would_fit_for_want_of_a_spare_page(spare_pages, fits):
    allocator = halves_of(16, 16, 4, spare_pages=spare_pages)
    assert (take(allocator, 0, 13) is not None) is fits
    assert take(halves_of(16, 16, 4, spare_pages=spare_pages), 0, 12) is not None


def test_a_partial_page_goes_on_in_both_halves_after_its_last_slot():
    allocator = halves_of(32, 32, 4)
    allocator.free_swa(take(allocator, 0, 8), 6)
    first = take(allocator, 0, 6)
    rest = take(allocator, 6, 9, last=int(first[-1]))
    assert plain(first) + plain(rest) == [12, 13, 14, 15, 16, 17, 18, 19, 20]
    found = mapping_of(allocator)
    assert [found[slot] for slot in plain(rest)] == [found[16] + 2, found[16] + 3, found[20]]


def test_what_a_draft_took_and_gave_back_stays_in_the_mapping():
    allocator = halves_of(10, 6)
    marks = allocator.free_list.mark, allocator.half.free_list.mark
    allocator.alloc_extend(ints([0]), ints([3]), ints([0]), None)
    allocator.free_list.untake(marks[0])
    allocator.half.free_list.untake(marks[1])
    assert mapping_of(allocator) == {1: 1, 2: 2, 3: 3}
    assert (allocator.full.available(), allocator.half.available()) == (10, 6)


operation = st.one_of(
    st.tuples(st.just("take"), st.integers(1, 11)),
    st.tuples(st.just("grow"), st.integers(1, 9)),
    st.tuples(st.just("decode"), st.just(0)),
    st.tuples(st.just("window"), st.integers(0, 9)),
    st.tuples(st.just("cut"), st.integers(0, 9)),
    st.tuples(st.just("end"), st.integers(0, 9)),
    st.tuples(st.just("group"), st.lists(st.integers(0, 9), max_size=4)),
)


class Both:
    """The allocator and the lists, driven alike by requests that own what they take."""

    def __init__(self, page, spare, device):
        self.page = page
        self.real = halves_of(24 * page, 15 * page, page, spare_pages=spare, device=device)
        self.lists = ListHalves(24 * page, 15 * page, page, spare)
        self.requests = []

    def extend(self, request, count):
        row, tag = request["row"], request["tag"]
        prefix, seq, last = [len(row)], [len(row) + count], [row[-1] if row else -1]
        got = self.real.alloc_extend(ints(prefix), ints(seq), ints(last), tag)
        assert (None if got is None else plain(got)) == self.lists.extend(prefix, seq, last)
        if got is not None:
            row += plain(got)

    def take(self, count):
        request = {"row": [], "tag": self.real.owners.ledger.tag(REQUEST, f"r{len(self.requests)}"), "e": 0}
        self.extend(request, count * self.page - self.page // 2)
        if request["row"]:
            self.requests.append(request)

    def grow(self, count):
        if self.requests:
            self.extend(self.requests[count % len(self.requests)], count)

    def decode(self, _):
        seq = [len(request["row"]) + 1 for request in self.requests]
        last = [request["row"][-1] for request in self.requests]
        if seq and self.lists.available() >= len(seq) * self.page:
            tags = ints([request["tag"] for request in self.requests])
            got = plain(self.real.alloc_decode(ints(seq), ints(last), tags))
            assert got == self.lists.decode(seq, last)
            for request, slot in zip(self.requests, got, strict=True):
                request["row"].append(slot)

    def each(self, name, slots, tag):
        getattr(self.real, name)(ints(slots), tag)
        getattr(self.lists, name)(slots)

    def window(self, which):
        if self.requests:
            request = self.requests[which % len(self.requests)]
            stop = len(request["row"]) // 2 // self.page * self.page
            if stop > request["e"]:
                self.each("free_swa", request["row"][request["e"] : stop], request["tag"])
                request["e"] = stop

    def cut(self, which):
        if self.requests:
            request = self.requests[which % len(self.requests)]
            keep = -(-(len(request["row"]) * 2 // 3) // self.page) * self.page
            self.each("free", request["row"][keep:], request["tag"])
            del request["row"][keep:]
            request["e"] = min(request["e"], keep)
            if not request["row"]:
                self.requests.remove(request)

    def end(self, which):
        if self.requests:
            request = self.requests.pop(which % len(self.requests))
            half = len(request["row"]) // 2
            self.each("free", request["row"][half // self.page * self.page :], request["tag"])
            self.each("free", request["row"][: half // self.page * self.page], request["tag"])

    def group(self, ends):
        self.real.group_begin()
        self.lists.group_begin()
        for which in ends:
            self.end(which)
        self.real.group_end()
        self.lists.group_end()

    def check(self):
        assert state_of(self.real) == self.lists.state()
        assert self.real.available() == self.lists.available()
        for name, half in (("full", self.real.full), ("swa", self.real.half)):
            tags = plain(self.real.pool.backend.get(half.owners.tags))
            assert sum(tag == FREE for tag in tags[1:]) == len(half.free_list), name
        live = {s: r["tag"] for r in self.requests for s in r["row"]}
        tags = self.real.half.owners.tags
        owned = {slot: half // self.page for slot, half in self.lists.mapping.items() if slot in live}
        assert {slot: int(tags[page]) for slot, page in owned.items()} == {slot: live[slot] for slot in owned}
        self.real.owners.ledger.settle()
        assert not self.real.owners.ledger.fresh


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
@pytest.mark.parametrize("page_size", [1, 4])
@given(st.booleans(), st.lists(operation, min_size=4, max_size=24))
@settings(max_examples=80, deadline=None)
def test_both_free_lists_and_the_mapping_are_those_of_plain_lists(page_size, device, spare, operations):
    both = Both(page_size, spare, device)
    for what, value in operations:
        getattr(both, what)(value)
        both.check()
