"""The share of its output that a running request is expected to need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.ratio import Decaying
from sim.scheduler.retract import Survivors

RATIO = Decaying()


def test_it_starts_at_0_7_and_ends_at_0_098():
    assert RATIO.start(1.0) == 0.7
    assert RATIO.decayed(0.098, 1.0) == pytest.approx(0.098)
    assert RATIO.decayed(0.0, 1.0) == pytest.approx(0.098)


def test_a_step_takes_0_0010033():
    assert 0.7 - RATIO.decayed(0.7, 1.0) == pytest.approx(0.0010033, abs=5e-8)


def test_600_steps_lead_from_the_start_to_the_end():
    ratio = RATIO.start(1.0)
    for _ in range(599):
        ratio = RATIO.decayed(ratio, 1.0)
    assert ratio > 0.098 + 0.0009
    assert RATIO.decayed(ratio, 1.0) == pytest.approx(0.098)


@pytest.mark.parametrize(("conservativeness", "start"), [(0.3, 0.21), (1.0, 0.7), (2.0, 1.0)])
def test_conservativeness_scales_the_start_up_to_1(conservativeness, start):
    assert RATIO.start(conservativeness) == pytest.approx(start)


@pytest.mark.parametrize(
    ("count", "decoded", "max_new", "ratio"),
    [(2, 10, 99, 0.5), (1, 0, 39, 0.5), (3, 30, 299, 0.3), (1, 5, 9, 1.0), (0, 0, 0, 0.0)],
)
def test_after_a_retract_it_is_what_was_decoded_and_20_steps_more(count, decoded, max_new, ratio):
    assert RATIO.after_retract(Survivors(count, decoded, max_new), 20) == pytest.approx(ratio)


@given(st.integers(0, 64), st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 100))
def test_it_is_never_above_1_and_never_below_0(count, decoded, max_new, steps):
    assert 0 <= RATIO.after_retract(Survivors(count, decoded, max_new), steps) <= 1


@given(st.floats(0, 1), st.floats(0.1, 3))
def test_a_decay_never_goes_below_14_percent_of_the_start(ratio, conservativeness):
    least = 0.14 * RATIO.start(conservativeness)
    assert RATIO.decayed(ratio, conservativeness) >= least - 1e-12
