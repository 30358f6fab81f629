"""When a request ends, what it forgets in a retract, and what its text is."""

import numpy as np
import pytest
from helpers.kvtest import new_req
from hypothesis import given
from hypothesis import strategies as st

from sim.scheduler.request import Finish
from sim.scheduler.table import LIMIT
from sim.world import EOS

ABORT = Finish("abort", "gone")


def after(out, new=1, **more):
    """A request that has just been given `new` tokens and now has `out`."""
    req = new_req(max_new=12, **more)
    req.out = out
    req.check_finished(new)
    return req


@pytest.mark.parametrize("out", [0, 1, 11])
def test_below_its_limit_it_goes_on(out):
    req = after(out)
    assert (req.finished, req.finished_len) == (False, None)


@pytest.mark.parametrize("out", [12, 13, 15])
def test_at_its_limit_or_beyond_it_ends_with_the_length_it_asked_for(out):
    req = after(out, new=4)
    assert (req.finish.kind, req.finished_len) == ("length", 12)


@pytest.mark.parametrize(("out", "new"), [(5, 1), (5, 3), (7, 3), (8, 4)])
def test_an_eos_among_the_new_tokens_ends_it_just_behind_the_eos(out, new):
    req = after(out, new, stop_at=5)
    assert (req.finish.kind, req.finished_len) == ("stop", 5)


@pytest.mark.parametrize(("out", "new"), [(4, 4), (6, 1), (9, 4)])
def test_only_the_new_tokens_are_looked_at(out, new):
    assert not after(out, new, stop_at=5).finished


def test_the_limit_is_tested_before_the_eos():
    req = after(13, new=4, stop_at=11)
    assert (req.finish.kind, req.finished_len) == ("length", 12)


def test_an_eos_is_ignored_on_demand():
    assert not after(5, stop_at=5, ignore_eos=True).finished


@pytest.mark.parametrize("out", [3, 12])
def test_a_wish_to_stop_comes_before_all_else_and_leaves_no_length(out):
    req = new_req(max_new=12)
    req.out = out
    req.finish_later(ABORT)
    assert not req.finished
    assert req.check_finished()
    assert (req.finish, req.to_finish, req.finished_len) == (ABORT, None, None)
    assert req.finish.aborted


def test_what_has_finished_stays_as_it_is():
    req = after(12)
    req.finish_later(ABORT)
    assert req.check_finished()
    assert req.finish.kind == "length"


@given(
    st.integers(1, 20),
    st.none() | st.integers(1, 25),
    st.booleans(),
    st.lists(st.integers(1, 4), max_size=12),
)
def test_it_ends_where_a_walk_over_the_tokens_ends(max_new, stop, ignore, runs):
    req = new_req(max_new=max_new, stop_at=stop, ignore_eos=ignore)
    expected = None
    for run in runs:
        seen = range(req.out + 1, req.out + run + 1)
        req.out += run
        if req.out >= max_new:
            expected = max_new
        elif not ignore and stop in seen:
            expected = stop
        assert req.check_finished(run) is (expected is not None)
        assert req.finished_len == expected
        if expected is not None:
            break


@given(st.integers(1, 20), st.none() | st.integers(1, 25), st.booleans(), st.integers(1, 25))
def test_limit_is_the_first_output_count_that_needs_a_look(max_new, stop, aborted, out):
    req = new_req(max_new=max_new, stop_at=stop)
    if aborted:
        req.finish_later(ABORT)
    req.out = out
    needs_look = out >= req.table.hot[LIMIT][req.index]
    assert not req.check_finished(1) or needs_look


def test_a_refused_request_has_a_prompt_of_one_token_and_will_be_aborted():
    req = new_req(prompt=20)
    req.abort_before_start("too long")
    assert req.origin.tolist() == [0]
    assert (req.prompt_len, req.to_finish.message) == (1, "too long")


@pytest.mark.parametrize(("asked", "most", "kept"), [(12, 5, 5), (12, 50, 12), (12, -3, -3)])
def test_the_output_is_clamped_to_what_fits(asked, most, kept):
    req = new_req(max_new=asked)
    req.clamp_max_new(most)
    assert req.max_new == kept


def test_a_retract_forgets_all_memory_and_keeps_the_output():
    req = new_req()
    req.out, req.committed, req.allocated, req.chunks_pending, req.freed = 6, 26, 26, 1, True
    req.prefix, req.last_node = np.arange(20), object()
    req.reset_for_retract(forget_protected=True)
    assert (req.out, req.committed, req.allocated, len(req.prefix)) == (6, 0, 0, 0)
    assert (req.last_node, req.chunks_pending, req.freed, req.is_retracted, req.retractions) == (
        None,
        0,
        False,
        True,
        1,
    )


@pytest.mark.parametrize(("forget", "left"), [(True, 0), (False, 16)])
def test_0_5_10_leaves_p_of_a_retracted_request_to_the_next_match(forget, left):
    req = new_req()
    req.committed, req.allocated, req.protected = 26, 26, 16
    req.reset_for_retract(forget_protected=forget)
    assert req.protected == left


def test_text_is_prompt_then_output_with_its_eos():
    req = new_req(prompt=3, stop_at=2)
    tokens = req.tokens(6).tolist()
    assert tokens[:3] == [100, 101, 102]
    assert tokens[4] == EOS
    assert EOS not in (tokens[3], tokens[5])


@given(st.integers(0, 9), st.integers(0, 30), st.integers(0, 30))
def test_a_shorter_text_is_a_prefix_of_a_longer_one(prompt, one, other):
    req = new_req(prompt=prompt, stop_at=7)
    short, long = sorted((one, other))
    assert req.tokens(long)[:short].tolist() == req.tokens(short).tolist()


@pytest.mark.parametrize(("length", "out"), [(9, 6), (6, 6), (4, 4)])
def test_cutting_the_output_never_lengthens_it(length, out):
    req = new_req()
    req.out = 6
    req.cut_output(length)
    assert req.out == out


def test_a_row_may_be_row_0():
    req = new_req()
    assert req.row is None
    req.row = 0
    assert req.row == 0


def test_marking_it_freed_takes_it_out_of_uncached():
    req = new_req()
    req.counted = True
    req.mark_freed()
    assert (req.freed, req.counted) == (True, False)


def test_every_move_of_a_cursor_is_seen_by_those_who_cache_sums():
    req = new_req()
    versions = [req.table.version]
    for field in ("committed", "allocated", "protected"):
        setattr(req, field, 3)
        versions.append(req.table.version)
    assert versions == sorted(set(versions))
    assert req.table.moved == {req.index}
