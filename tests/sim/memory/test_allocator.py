"""The allocators against a plain list: order, whole pages, groups, and the trusted last slot."""

import pytest
from helpers.kvtest import DEVICES, ListAllocator, allocator_of, ints, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.ledger.owners import FREE

ANYBODY = 6
request = st.tuples(st.integers(0, 21), st.integers(0, 13), st.integers(1, 40))
operation = st.one_of(
    st.tuples(st.just("extend"), st.lists(request, min_size=1, max_size=4)),
    st.tuples(st.just("decode"), st.lists(request, min_size=1, max_size=4)),
    st.tuples(st.just("free"), st.lists(st.integers(0, 400), min_size=1, max_size=9)),
    st.tuples(st.just("group"), st.lists(st.lists(st.integers(0, 400), max_size=5), max_size=4)),
)


def page_pool(page_size, device="cpu", pages=12):
    return allocator_of(pages * page_size, page_size, device)


def extend(allocator, prefix, seq, last):
    put = allocator._backend.put
    got = allocator.alloc_extend(ints(prefix), ints(seq), put(last), ANYBODY)
    return None if got is None else plain(got)


def decode(allocator, seq, last):
    got = allocator.alloc_decode(ints(seq), allocator._backend.put(last), ANYBODY)
    return None if got is None else plain(got)


def free(allocator, slots):
    allocator.free(allocator._backend.put(slots), ANYBODY)


def carry_out(what, value, allocator, model):
    """The same operation on both; what each handed out."""
    size = model.page_size
    if what in ("extend", "decode"):
        prefix = [p for p, _, _ in value]
        seq = [p + (n if what == "extend" else 1) for p, n, _ in value]
        last = [page * size + (p - 1) % size for p, _, page in value]
        if what == "extend":
            return extend(allocator, prefix, seq, last), model.extend(prefix, seq, last)
        return decode(allocator, seq, last), model.decode(seq, last)
    known = range(size, 13 * size)
    groups = [value] if what == "free" else value
    if what == "group":
        allocator.group_begin()
        model.group_begin()
    for group in groups:
        slots = [known[number % len(known)] for number in group]
        free(allocator, slots)
        model.free(slots)
    if what == "group":
        allocator.group_end()
        model.group_end()
    return None, None


@pytest.mark.parametrize("device", DEVICES)
@given(st.sampled_from([1, 4, 16]), st.lists(operation, min_size=6, max_size=20))
@settings(max_examples=110, deadline=None)
def test_slots_and_free_list_equal_the_plain_list(device, page_size, operations):
    allocator, model = page_pool(page_size, device), ListAllocator(12 * page_size, page_size)
    for what, value in operations:
        got, expected = carry_out(what, value, allocator, model)
        assert got == expected
        assert plain(allocator.free_list.view()) == model.pages
        assert allocator.available() == len(model.pages) * page_size


@pytest.mark.parametrize("device", DEVICES)
def test_page_1_takes_from_the_front_and_frees_to_the_end(device):
    allocator = page_pool(1, device, pages=6)
    assert extend(allocator, [0], [3], [-1]) == [1, 2, 3]
    free(allocator, [3, 1])
    assert plain(allocator.free_list.view()) == [4, 5, 6, 3, 1]


@pytest.mark.parametrize("device", DEVICES)
def test_pages_are_freed_sorted_to_the_front(device):
    allocator = page_pool(4, device, pages=6)
    assert extend(allocator, [0], [16], [-1]) == list(range(4, 20))
    free(allocator, [17, 9, 18])
    assert plain(allocator.free_list.view()) == [2, 4, 5, 6]


@pytest.mark.parametrize("device", DEVICES)
def test_one_token_frees_its_whole_page(device):
    allocator = page_pool(16, device, pages=3)
    extend(allocator, [0], [32], [-1])
    assert allocator.available() == 16
    free(allocator, [20])
    assert allocator.available() == 32


def test_slot_0_is_padding_and_never_handed_out():
    assert min(extend(page_pool(1), [0], [12], [-1])) == 1
    assert min(extend(page_pool(4), [0], [48], [-1])) == 4


@pytest.mark.parametrize("page_size", [1, 4])
def test_too_few_slots_give_none_and_change_nothing(page_size):
    allocator = page_pool(page_size)
    before = plain(allocator.free_list.view())
    assert extend(allocator, [0, 0], [12 * page_size, 1], [-1, -1]) is None
    assert plain(allocator.free_list.view()) == before


def test_a_partial_page_is_continued_before_a_new_one_is_taken():
    allocator = page_pool(4)
    assert extend(allocator, [0], [6], [-1]) == [4, 5, 6, 7, 8, 9]
    assert extend(allocator, [6], [9], [9]) == [10, 11, 12]


def test_a_stale_last_slot_is_trusted_and_aliases_another_page():
    allocator = page_pool(4)
    extend(allocator, [0], [6], [-1])
    assert extend(allocator, [6], [8], [5]) == [6, 7]


def test_a_decode_step_opens_a_page_only_at_its_first_position():
    allocator = page_pool(4)
    extend(allocator, [0], [4], [-1])
    assert decode(allocator, [5], [7]) == [8]
    assert decode(allocator, [6], [8]) == [9]


def test_a_page_freed_twice_in_two_calls_stands_twice_in_the_list():
    allocator = page_pool(4, pages=3)
    extend(allocator, [0], [4], [-1])
    free(allocator, [4])
    free(allocator, [7])
    assert plain(allocator.free_list.view()) == [1, 1, 2, 3]
    assert allocator.available() == 16


def test_a_page_freed_twice_within_a_group_is_freed_once():
    allocator = page_pool(4, pages=3)
    extend(allocator, [0], [4], [-1])
    allocator.group_begin()
    free(allocator, [4])
    free(allocator, [7])
    assert allocator.available() == 8
    allocator.group_end()
    assert plain(allocator.free_list.view()) == [1, 2, 3]


def test_a_slot_of_page_1_freed_twice_within_a_group_stands_twice():
    allocator = page_pool(1, pages=3)
    extend(allocator, [0], [1], [-1])
    allocator.group_begin()
    free(allocator, [1])
    free(allocator, [1])
    allocator.group_end()
    assert plain(allocator.free_list.view()) == [2, 3, 1, 1]


@pytest.mark.parametrize("page_size", [1, 4])
def test_the_ledger_learns_who_owns_each_page(page_size):
    allocator = page_pool(page_size)
    owners = ints([6, 10])
    allocator.alloc_extend(ints([0, 0]), ints([page_size, 2 * page_size]), ints([-1, -1]), owners)
    assert plain(allocator.owners.tags[:5]) == [FREE, 6, 10, 10, FREE]


@pytest.mark.parametrize("page_size", [1, 4])
def test_freeing_nothing_does_nothing(page_size):
    allocator = page_pool(page_size)
    free(allocator, [])
    assert allocator.available() == 12 * page_size
    assert not allocator.owners.ledger.fresh
