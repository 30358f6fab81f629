"""Durations, rates and distributions: what they read, and that draws stay within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario import distributions as d
from sim.scenario import values
from sim.scenario.errors import ValueProblem


@pytest.mark.parametrize(
    ("spelled", "seconds"),
    [
        ("1.2s", 1.2),
        ("300ms", 0.3),
        ("50us", 0.00005),
        ("2m", 120.0),
        ("1h", 3600.0),
        (" 3 s ", 3.0),
        (0.5, 0.5),
        (7, 7.0),
    ],
)
def test_a_duration_is_read_to_the_last_bit(spelled, seconds):
    assert values.duration(spelled) == seconds


@given(st.floats(min_value=0, max_value=values.LONGEST_TIME))
def test_a_duration_reads_back_as_it_was_spelled(seconds):
    assert values.duration(values.spell_duration(seconds)) == seconds


@pytest.mark.parametrize(
    "spelled", ["", "s", "1.2.3s", "1 day", "-1s", "1s2s", True, None, [1], {"s": 1}, "nan", "inf s"]
)
def test_what_is_no_duration_is_refused(spelled):
    with pytest.raises(ValueProblem, match="is no duration"):
        values.duration(spelled)


@pytest.mark.parametrize(("spelled", "per_second"), [("20/s", 20.0), ("90/m", 1.5), ("36/h", 0.01), (4, 4.0)])
def test_a_rate_is_per_second(spelled, per_second):
    assert values.rate(spelled) == per_second


@pytest.mark.parametrize(
    ("spelled", "accept"), [(2, (2,)), ([3, 4, 4], (3, 4, 4)), ({"rate": 0.7}, 0.7), ({"rate": 1}, 1.0)]
)
def test_accepted_lengths_are_a_repeating_list_or_a_chance(spelled, accept):
    assert values.accept(spelled) == accept


@pytest.mark.parametrize(
    ("spelled", "dist"),
    [
        (7, d.Constant(7)),
        ({"uniform": [2, 9]}, d.Uniform(2, 9)),
        ({"choice": [8, 8, 64]}, d.Choice((8, 8, 64))),
        ({"lognormal": {"median": 20, "sigma": 0.5, "max": 100}}, d.Lognormal(20, 0.5, 1, 100)),
        ({"exponential": {"mean": 10, "max": 50}}, d.Exponential(10, 1, 50)),
    ],
)
def test_a_number_of_tokens_is_a_constant_or_a_distribution(spelled, dist):
    assert values.tokens_dist(spelled) == dist


def test_the_parts_of_a_time_distribution_are_durations():
    assert values.seconds_dist({"uniform": ["500ms", 2]}) == d.Uniform(0.5, 2.0)


def test_a_list_of_priorities_means_one_of_them():
    assert values.priority_dist([0, 20]) == d.Choice((0, 20))


tokens = st.integers(1, values.LONGEST_TEXT)
spans = st.tuples(tokens, tokens).map(sorted)
whole_dists = st.one_of(
    tokens,
    spans.map(lambda span: {"uniform": span}),
    st.lists(tokens, min_size=1, max_size=5).map(lambda several: {"choice": several}),
    st.tuples(spans, st.floats(0, 10)).map(
        lambda drawn: {"lognormal": {"median": drawn[0][0], "sigma": drawn[1], "max": drawn[0][1]}}
    ),
    spans.map(lambda span: {"exponential": {"mean": span[0], "max": span[1]}}),
)


@settings(max_examples=200)
@given(whole_dists, st.integers(0, 2**32))
def test_a_drawn_number_of_tokens_is_whole_and_within_bounds(spelled, seed):
    dist = values.tokens_dist(spelled)
    drawn = [dist.draw(np.random.default_rng(seed)) for _ in range(5)]
    assert all(type(n) is int and 1 <= dist.lowest <= n <= dist.highest for n in drawn)
    assert len(set(drawn)) == 1, "the same seed draws the same number"


seconds = st.floats(0, 1e6)
time_spans = st.tuples(seconds, seconds).map(sorted)
time_dists = st.one_of(
    seconds,
    time_spans.map(lambda span: {"uniform": span}),
    time_spans.map(lambda span: {"exponential": {"mean": span[0], "max": span[1]}}),
)


@given(time_dists, st.integers(0, 2**32))
def test_a_drawn_time_is_a_float_within_bounds(spelled, seed):
    dist = values.seconds_dist(spelled)
    drawn = dist.draw(np.random.default_rng(seed))
    assert type(drawn) is float
    assert 0 <= dist.lowest <= drawn <= dist.highest


def test_half_of_all_lognormal_draws_lie_below_the_median():
    dist = values.tokens_dist({"lognormal": {"median": 1000, "sigma": 0.5, "max": 100_000}})
    rng = np.random.default_rng(1)
    below = sum(dist.draw(rng) < 1000 for _ in range(2000))
    assert 900 < below < 1100


def test_exponential_draws_average_to_their_mean():
    dist = values.seconds_dist({"exponential": {"mean": "2s", "max": "1h"}})
    rng = np.random.default_rng(1)
    assert 1.9 < sum(dist.draw(rng) for _ in range(5000)) / 5000 < 2.1
