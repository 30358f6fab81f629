"""Columns: fewer than events, and nothing that is worse is lost."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.columns import edges_of, least, mean, runs_of, summed, worst


def made(seed: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.integers(1, 5, length)), rng.integers(0, 7, length)


@given(st.integers(0, 999), st.integers(1, 200), st.integers(2, 60))
@settings(deadline=None)
def test_a_column_joins_what_was_in_force_in_it(seed: int, length: int, most: int) -> None:
    event, rank = made(seed, length)
    end = float(event[-1]) + 1
    edges = edges_of(event, end, most)
    found = worst(event, rank, edges)
    lowest, sums = least(event, rank, edges), summed(event, rank, edges)
    means = mean(event, rank, edges)
    assert len(found) == len(edges) - 1 == min(length, most)
    stops = [*event[1:].tolist(), end]
    for at, (low, high) in enumerate(pairwise(edges.tolist())):
        in_force = [(r, min(b, high) - max(a, low)) for a, b, r in zip(event, stops, rank, strict=True)]
        in_force = [(r, lasts) for r, lasts in in_force if lasts > 0]
        ranks = [r for r, _ in in_force]
        assert (found[at], lowest[at], sums[at]) == (max(ranks), min(ranks), sum(ranks))
        assert means[at] == pytest.approx(sum(r * lasts for r, lasts in in_force) / (high - low), abs=1e-9)


@given(st.integers(0, 999), st.integers(1, 120))
@settings(deadline=None)
def test_runs_of_all_values_put_together_are_the_values(seed: int, length: int) -> None:
    event, rank = made(seed, length)
    edges = edges_of(event, float(event[-1]) + 1, 10_000)
    runs = runs_of(rank, edges)
    assert [a for a, _, _ in runs[1:]] == [b for _, b, _ in runs[:-1]]
    assert (runs[0][0], runs[-1][1]) == (event[0], event[-1] + 1)
    for at, value in zip(event, rank, strict=True):
        assert [v for a, b, v in runs if a <= at < b] == [value]


def test_a_state_of_several_columns_is_reduced_along_the_events_only() -> None:
    rank = np.array([[0, 5], [6, 0], [0, 0]])
    found = worst(np.array([1, 2, 3]), rank, np.array([1.0, 3.0, 4.0]))
    assert found.tolist() == [[6, 5], [0, 0]]
