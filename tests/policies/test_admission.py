"""How the prefill adder and the decode test count, where the releases differ."""

import pytest
from helpers.kvtest import ints
from hypothesis import given
from hypothesis import strategies as st

from policies.admission import Admission10, Admission11


@pytest.mark.parametrize("page", [1, 4, 16])
def test_0_5_11_reserves_a_page_for_each_request(page):
    assert Admission10().page_reserve(page) == 0
    assert Admission11().page_reserve(page) == page


def test_the_limit_spares_a_parked_chunk_in_0_5_11_only():
    assert Admission10().limit_spares_chunk is False
    assert Admission11().limit_spares_chunk is True


def test_a_retract_forgets_p_in_0_5_11_only():
    assert Admission10().retract_forgets_protected is False
    assert Admission11().retract_forgets_protected is True


def test_0_5_10_expects_a_round_under_overlap_to_need_twice_a_round_without():
    assert Admission10().spec_v2_need(ints([20]), ints([20]), 4, 1, 4) == 8


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), min_size=1, max_size=6),
       st.integers(1, 8), st.sampled_from([1, 4, 16]))  # fmt: skip
def test_0_5_11_expects_exactly_the_pages_that_the_reservation_adds(shapes, alloc_len, page):
    pages = 0
    for c, over in shapes:
        a = c + over
        target = max(a, c + 2 * alloc_len)
        pages += len({position // page for position in range(-(-a // page) * page, target)})
    committed, allocated = ints([c for c, _ in shapes]), ints([c + over for c, over in shapes])
    assert Admission11().spec_v2_need(committed, allocated, alloc_len, page, 99) == pages * page
