"""Thinning: fewer points, the same extremes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reports.series import Series, thin


def series_of(seed: int, length: int) -> Series:
    rng = np.random.default_rng(seed)
    terms = rng.integers(-50, 1000, (length, 5))
    column = rng.integers(-9, 9, length)
    event = np.cumsum(rng.integers(1, 4, length))
    return Series(event, event * 0.01, terms, column, abs(column), abs(column), 1000)


@given(st.integers(0, 1000), st.integers(1, 3000), st.integers(4, 40))
def test_no_extreme_of_any_column_is_lost(seed: int, length: int, buckets: int) -> None:
    whole = series_of(seed, length)
    thinned = thin(whole, buckets=buckets)
    for name in ("terms", "delta", "lost", "extra"):
        before, after = getattr(whole, name), getattr(thinned, name)
        assert (before.min(axis=0) == after.min(axis=0)).all()
        assert (before.max(axis=0) == after.max(axis=0)).all()


@given(st.integers(0, 1000), st.integers(1, 3000), st.integers(4, 40))
def test_first_and_last_event_stay_and_the_order_too(seed: int, length: int, buckets: int) -> None:
    whole = series_of(seed, length)
    thinned = thin(whole, buckets=buckets)
    assert (thinned.event[0], thinned.event[-1]) == (whole.event[0], whole.event[-1])
    assert (np.diff(thinned.event) > 0).all()


def test_a_short_run_is_left_alone() -> None:
    whole = series_of(1, 600)
    assert thin(whole) is whole


def test_an_event_with_a_mark_stays() -> None:
    whole = series_of(1, 30_000)
    event = int(whole.event[12_345])
    assert event not in thin(whole).event
    assert event in thin(whole, keep=[event]).event


def test_a_long_run_is_thinned_to_what_a_page_can_hold() -> None:
    assert len(thin(series_of(1, 20_000))) < 3_000
