"""The world answers from seed, name and position alone."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.kvtest import ints
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.world import EOS, VOCABULARY_BITS, Segment, TokenRun, accepted, key_of, stream, text, tokens_at

keys = st.integers(0, 2**63 - 1)
positions = st.integers(0, 2**21)


def test_a_key_is_the_same_on_every_machine():
    assert key_of(1, "a/1") == 818871090924501428
    assert key_of(2, "a/1") != key_of(1, "a/1") != key_of(1, "a/2")


@given(st.integers(-5, 2**40), st.text(max_size=20))
def test_a_key_is_a_63_bit_number(seed, name):
    assert 0 <= key_of(seed, name) < 2**63


def test_tokens_do_not_depend_on_the_hash_seed_of_the_process():
    code = "from sim.world import *; print(stream(key_of(3, 'x'), 0, 5).tolist())"
    outputs = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
                       capture_output=True, check=True, text=True).stdout
        for seed in ("0", "77")
    }  # fmt: skip
    assert outputs == {f"{stream(key_of(3, 'x'), 0, 5).tolist()}\n"}


@given(keys, positions)
def test_plain_tokens_are_in_the_vocabulary_and_never_eos(key, start):
    tokens = stream(key, start, start + 50)
    assert EOS not in tokens
    assert tokens.min() >= 16
    assert tokens.max() < 2**VOCABULARY_BITS


@given(keys, positions, st.integers(0, 30), st.integers(0, 30))
def test_a_stream_is_the_same_however_it_is_cut(key, start, first, second):
    whole = stream(key, start, start + first + second)
    parts = (stream(key, start, start + first), stream(key, start + first, start + first + second))
    assert np.array_equal(whole, np.concatenate(parts))


@given(st.lists(st.tuples(keys, positions), min_size=1, max_size=6), st.integers(1, 12))
def test_a_token_run_equals_tokens_at_step_by_step(lanes, steps):
    names, start = ints([k for k, _ in lanes]), ints([p for _, p in lanes])
    run = TokenRun(names.view(np.uint64), start)
    for step in range(steps):
        assert np.array_equal(run.next(), tokens_at(names, start + step))


def test_ten_thousand_tokens_of_two_streams_seldom_agree():
    one, other = stream(key_of(0, "a"), 0, 10_000), stream(key_of(0, "b"), 0, 10_000)
    assert np.count_nonzero(one == other) < 10
    assert len(set(one.tolist())) > 9_000


def test_equal_segments_are_equal_text_and_share_a_prefix():
    shared = Segment(name="sys", length=6)
    one = text(4, [shared, Segment(name="a", length=3)])
    other = text(4, [shared, Segment(name="b", length=3)])
    assert len(one) == 9
    assert np.array_equal(one[:6], other[:6])
    assert not np.array_equal(one[6:], other[6:])


def test_no_segment_is_no_text():
    assert text(1, []).tolist() == []


@given(keys, st.integers(0, 10_000), st.floats(0, 1), st.integers(1, 8))
@settings(max_examples=200)
def test_a_round_accepts_between_one_and_all_drafts(key, round_, rate, draft):
    count = accepted(key, round_, rate, draft)
    assert 1 <= count <= draft
    assert accepted(key, round_, rate, draft) == count


@given(
    st.lists(st.integers(-2, 12), min_size=1, max_size=5).map(tuple), st.integers(0, 20), st.integers(1, 8)
)
def test_a_pattern_repeats_and_is_kept_between_one_and_all_drafts(pattern, round_, draft):
    assert accepted(7, round_, pattern, draft) == min(max(pattern[round_ % len(pattern)], 1), draft)


@pytest.mark.parametrize(("rate", "count"), [(0.0, 1), (1.0, 4)])
def test_nothing_or_everything_is_accepted_at_the_ends_of_the_scale(rate, count):
    assert {accepted(key_of(0, "r"), i, rate, 4) for i in range(200)} == {count}


@pytest.mark.parametrize("draft", [4, 8])
def test_the_mean_run_is_the_geometric_sum(draft):
    rounds = [accepted(key_of(0, f"r{i}"), i % 50, 0.7, draft) for i in range(8000)]
    expected = sum((179 / 256 + 1 / 256) ** k for k in range(draft))
    assert abs(sum(rounds) / len(rounds) - expected) < 0.1
