"""How far behind a request's length its windowed KV is given back, and how often decode looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.window import Window10, Window11


def test_0_5_10_gives_back_right_behind_the_window_and_0_5_11_a_page_later():
    assert (Window10().margin(16), Window11().margin(16)) == (0, 16)


@given(st.integers(1, 400), st.sampled_from([1, 4, 16]), st.floats(0, 4))
def test_0_5_10_looks_once_in_a_window(window, page, multiplier):
    assert Window10().interval(window, page, multiplier) == window


@pytest.mark.parametrize(
    ("window", "page", "multiplier", "steps"),
    [
        (128, 1, 1.0, 128), (128, 16, 1.0, 128), (130, 16, 1.0, 128), (128, 1, 0.5, 64), (128, 64, 0.1, 64),
        (10, 16, 1.0, 16), (1, 1, 1.0, 1), (1, 1, 3.0, 3), (128, 1, 0.0, 1),
    ],
)  # fmt: skip
def test_0_5_11_looks_once_in_so_many_windows_in_whole_pages(window, page, multiplier, steps):
    assert Window11().interval(window, page, multiplier) == steps


@given(st.integers(1, 400), st.sampled_from([1, 4, 16]), st.floats(0, 4))
def test_0_5_11_looks_in_whole_pages_and_never_more_often_than_once_in_a_page(window, page, multiplier):
    steps = Window11().interval(window, page, multiplier)
    assert steps % page == 0
    assert page <= steps <= max(page, window * multiplier)
