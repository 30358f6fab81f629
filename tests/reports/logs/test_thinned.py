"""Series of whatever length, and straight lines through them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.logs.thinned import Fit, Thinned


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=500))
def test_the_extreme_stays_and_the_length_is_bounded(values):
    series = Thinned(max, limit=8)
    for value in values:
        series.add(value)
    assert len(series.points) <= 8
    assert max(series.points) == max(values)


def test_a_short_series_is_kept_whole():
    series = Thinned(max, limit=8)
    for value in range(7):
        series.add(value)
    assert series.points == list(range(7))


def test_a_line_is_found_far_from_zero():
    fit = Fit()
    for step in range(10):
        fit.add(1e9 + step, -step / 2)
    assert (fit.slope, fit.straightness) == (pytest.approx(-0.5), pytest.approx(1.0))


def test_where_nothing_moves_there_is_no_line():
    still, level = Fit(), Fit()
    for step in range(3):
        still.add(5, step)
        level.add(step, 5)
    assert (still.slope, level.slope, level.straightness) == (None, 0.0, 0.0)
