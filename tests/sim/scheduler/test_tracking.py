"""Which states requests are given, which positions are kept as snapshots, and what is given back."""

from types import SimpleNamespace

import numpy as np
import pytest

from sim.config import MambaConfig
from sim.engines.protocol import EngineCrash
from sim.ledger.owners import REQUEST, Ledger, TagPool
from sim.memory.backend import backend
from sim.memory.presets import PRESETS
from sim.memory.states import StateNames, StatePool
from sim.scheduler.tracking import (
    give_back,
    keep_round,
    make_room,
    steps_to_grid,
    take_states,
    track_decode,
    track_prefill,
    track_round,
)

TAG = 4 + REQUEST


def pool_of(*, slots=12, strategy="extra_buffer", overlap=True, page_size=1, interval=64):
    place, config = backend("cpu"), MambaConfig(slots=slots, strategy=strategy, track_interval=interval)
    owners = TagPool(Ledger(), place, "mamba", slots, 1)
    return StatePool(place, config, PRESETS["tiny"], owners, page_size=page_size, overlap=overlap)


def request(row=1, **names):
    return SimpleNamespace(tag=TAG, row=row, state=StateNames(**names), prefix=[], extend_len=0)


def started(pool, row=1):
    req = request(row)
    take_states(pool, [req], 0)
    return req


# -- taking and giving back -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "overlap", "expected"),
    [("no_buffer", False, [(1, ()), (2, ())]), ("extra_buffer", True, [(1, (2, 3)), (4, (5, 6))]),
     ("extra_buffer", False, [(1, (2,)), (3, (4,))])],
)  # fmt: skip
def test_each_request_takes_a_running_state_then_its_snapshots(strategy, overlap, expected):
    pool = pool_of(strategy=strategy, overlap=overlap)
    reqs = [request(1), request(2)]
    take_states(pool, reqs, 0)
    assert [(r.state.slot, r.state.snapshots) for r in reqs] == expected
    assert [pool.of_row[r.row] for r in reqs] == expected


def test_a_state_that_was_copied_at_the_match_is_kept():
    pool = pool_of()
    (copied,) = pool.alloc(1, TAG)
    req = request(slot=copied)
    take_states(pool, [req], 0)
    assert (req.state.slot, req.state.snapshots, req.state.next) == (copied, (2, 3), 0)
    taken = pool.available()
    take_states(pool, [req], 0)
    assert pool.available() == taken


def test_too_few_states_end_the_scheduler():
    with pytest.raises(EngineCrash, match=r"Not enough space for mamba cache.*available_size.*=0"):
        take_states(pool_of(slots=1, strategy="no_buffer"), [request(1), request(2)], 0)
    with pytest.raises(EngineCrash, match="Not enough space for mamba ping pong idx"):
        take_states(pool_of(slots=2), [request()], 0)


def test_0_5_10_has_no_room_for_the_states_of_rows_beyond_the_pool_of_states():
    with pytest.raises(EngineCrash, match="index 12 is out of bounds for dimension 0 with size 12"):
        take_states(pool_of(), [request(row=12)], 12)


def test_room_is_made_for_three_states_a_request():
    asked = []
    tree = SimpleNamespace(evict_states=asked.append)
    pool = pool_of(slots=7)
    for count in (2, 3):
        make_room(SimpleNamespace(tree=tree), pool, count)
    assert asked == [2]


@pytest.mark.parametrize(("keep", "freed"), [(None, [1, 2, 3]), (0, [1, 3]), (1, [1, 2])])
def test_what_is_kept_for_the_tree_is_not_given_back(keep, freed):
    pool = pool_of()
    req = started(pool)
    give_back(pool, req, 1, keep)
    assert list(pool.free_list.view()[-len(freed) :]) == freed
    assert req.state.slot is None


def test_a_single_snapshot_that_is_kept_leaves_the_running_state():
    pool = pool_of(overlap=False)
    give_back(pool, started(pool), 1, 0)
    assert pool.available() == 11


def test_giving_back_twice_is_the_release_s_assertion():
    pool = pool_of()
    req = started(pool)
    give_back(pool, req, 1)
    with pytest.raises(EngineCrash, match="double free"):
        give_back(pool, req, 1)


# -- prefill ----------------------------------------------------------------------------------------------


def prefilled(pool, prefix, extend, branching=None, mixed=False):
    req = started(pool)
    req.prefix, req.extend_len, req.state.branching = [0] * prefix, extend, branching
    track_prefill(pool, [req], mixed=mixed)
    return req


@pytest.mark.parametrize(
    ("prefix", "extend", "position"),
    [(0, 63, None), (0, 64, 64), (0, 200, 192), (100, 70, 164), (100, 63, None)],
)
def test_the_last_whole_chunk_of_a_prefill_is_kept(prefix, extend, position):
    pool = pool_of()
    req = prefilled(pool, prefix, extend)
    assert req.state.tracked == position
    assert req.state.next == (0 if position is None else 1)
    if position is not None:
        assert pool.marks.place(req.state.snapshots[0]) == (TAG, position)


@pytest.mark.parametrize(
    ("branching", "position"), [(64, 64), (128, 128), (192, 192), (96, 192), (256, 192), (None, 192)]
)
def test_where_a_cached_prefix_goes_on_without_a_state_is_worth_more(branching, position):
    assert prefilled(pool_of(), 0, 200, branching).state.tracked == position


def test_where_the_prefix_itself_ends_there_is_a_state_already():
    assert prefilled(pool_of(), 64, 100, branching=64).state.tracked == 128


def test_a_page_larger_than_the_grid_coarsens_it_and_needs_aligned_positions():
    pool = pool_of(page_size=128, interval=128)
    assert prefilled(pool, 128, 200).state.tracked == 256
    assert prefilled(pool, 0, 127).state.tracked is None
    with pytest.raises(EngineCrash) as crash:
        prefilled(pool, 100, 200)
    assert crash.value.frames == ("_force_track_h",)


def test_without_snapshots_nothing_is_kept():
    assert prefilled(pool_of(strategy="no_buffer"), 0, 200).state.tracked is None


def test_a_mixed_pass_notes_a_position_and_keeps_no_state():
    pool = pool_of()
    req = prefilled(pool, 0, 200, mixed=True)
    assert (req.state.tracked, req.state.next) == (192, 1)
    assert pool.marks.place(req.state.snapshots[0]) is None


# -- decode -----------------------------------------------------------------------------------------------


def test_a_decode_step_keeps_what_stands_on_the_grid():
    pool = pool_of(interval=16)
    reqs = [started(pool, row) for row in (1, 2, 3)]
    track_decode(pool, reqs, np.array([16, 17, 32]))
    assert [(r.state.tracked, r.state.next) for r in reqs] == [(16, 1), (None, 0), (32, 1)]


@pytest.mark.parametrize(
    ("length", "accepted", "new", "old"),
    [(16, 1, 16, None), (18, 4, 16, 16), (17, 2, 16, None), (15, 3, None, None), (19, 3, None, None), (33, 4, 32, 32)],
)
def test_a_round_that_crosses_the_grid_is_kept_but_0_5_10_takes_it_for_one_token_shorter(length, accepted, new, old):
    for bonus, position in ((1, new), (0, old)):
        pool = pool_of(interval=16)
        req = started(pool)
        track_round(pool, [req], np.array([length]), np.array([accepted]), bonus=bonus)
        assert req.state.tracked == position


def test_a_round_in_flight_writes_the_snapshot_that_the_last_one_wrote():
    """The result of the first, which notes position 16, comes when the second has crossed 32."""
    pool = pool_of(interval=16)
    req = started(pool)
    for start, stop, position in ((14, 17, 16), (17, 31, 16), (31, 33, 32)):
        keep_round(pool, [req], np.array([start]), np.array([stop]))
        assert pool.marks.place(req.state.snapshots[0])[1] == position
    track_round(pool, [req], np.array([17]), np.array([3]), bonus=1)
    assert req.state.tracked == 16


@pytest.mark.parametrize(("lengths", "steps"), [([16], 15), ([15], 0), ([1, 14, 3], 1), ([], 0)])
def test_how_many_steps_pass_before_any_request_stands_on_the_grid(lengths, steps):
    assert steps_to_grid(pool_of(interval=16), np.array(lengths, dtype=np.int64)) == steps
