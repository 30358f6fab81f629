"""The released scheduler with windowed and recurrent layers: figures of the founding bugs, and who takes which slot."""

from __future__ import annotations

import json

import pytest

OLD, NEW, NEXT = "0.5.10.post1", "0.5.11", "0.5.12"
REST = (22900, 23327, 23496)
TABLE = [(0, 28, 30), (1, 29, 31), (9, 37, 39), (10, 38, 40)]
"""Refused attempts, what is free then, and what the books of 30 states come to."""


CALLS = [
    *[("refused", (n,), {}) for n in (0, 1, 2, 9, 10)], ("refused", (9,), {"close": True}),
    *[(name, (), {"buffered": buffered}) for name in ("closed", "life") for buffered in (False, True)],
    ("window", (1,), {}), ("window", (4,), {}), ("overshoot", (), {}), ("chunk_cache_check", (), {}),
]  # fmt: skip
PLAY = """
import json, logging
logging.disable(logging.CRITICAL)
modules = enter(source, reverts={reverts!r})
from helpers import poolflows
for name, given, named in {calls!r}:
    if name != "overshoot" or not modules.old:
        print("result", json.dumps([[name, given, named], getattr(poolflows, name)(modules, *given, **named)]))
"""
_played = {}


@pytest.fixture
def flows(sglang_source, inside):
    """`flows(version, calls, *reverts)`: the results of these calls, in a process with these fixes taken out."""

    def played(version, calls, *reverts):
        key = version, reverts
        if key not in _played:
            lines = inside(sglang_source(version), PLAY.format(reverts=reverts, calls=CALLS))
            found = [json.loads(line.removeprefix("result ")) for line in lines if line.startswith("result ")]
            _played[key] = {json.dumps(call): result for call, result in found}
        return [_played[key][json.dumps(call)] for call in calls]

    return played


# -- states -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "reverts"), [(OLD, ()), (NEW, (23327,)), (NEXT, REST)])
def test_every_refused_turn_gives_back_its_sessions_state_once_more(flows, version, reverts):
    found = flows(version, [("refused", (n,), {}) for n, *_ in TABLE], *reverts)
    assert [(f["available"], f["sum"], f["leaked"]) for f in found] == [(a, s, 30 - s) for _, a, s in TABLE]
    assert [f["in the free list"] for f in found] == [1, 1, 9, 10]
    assert [f["used"] - f["protected"] for f in found] == [1, 0, -8, -9]


def test_closing_frees_it_once_more(flows):
    (found,) = flows(NEW, [("refused", (9,), {"close": True})], 23327)
    assert (found["available"], found["sum"], found["leaked"]) == (38, 39, -9)


def test_the_old_check_does_not_see_the_first_refusal(flows):
    """Used − protected is 0 then: one that is lent twice hides one that is held."""
    found = flows(OLD, [("refused", (n,), {}) for n in (1, 2, 9)])
    assert [f["said"] for f in found] == [0, 1, 8]


@pytest.mark.parametrize("version", [NEW, NEXT])
def test_with_the_fix_a_refused_turn_changes_nothing(flows, version):
    nothing, nine = flows(version, [("refused", (0,), {}), ("refused", (9,), {})])
    assert nothing == nine == {**nothing, "available": 28, "sum": 30, "leaked": 0}


@pytest.mark.parametrize(
    ("version", "reverts", "lost", "said"),
    [
        (OLD, (), (1, 3), [True, True]),
        (NEW, (), (0, 0), [False, False]),
        (NEW, (22900, 23496), (1, 3), [False, True]),
        (NEXT, REST, (1, 3), [False, True]),
    ],
)
def test_what_a_closed_session_leaves_behind(flows, version, reverts, lost, said):
    found = flows(version, [("closed", (), {"buffered": buffered}) for buffered in (False, True)], *reverts)
    assert [f["held"] for f in found] == [1, 3]
    assert [f["before"] for f in found] == [0, 0]
    assert tuple(-f["after"] for f in found) == lost
    assert [f["said"] for f in found] == [said, said]


@pytest.mark.parametrize("version", [OLD, NEW, NEXT])
def test_a_state_goes_to_the_tree_at_the_end_of_what_is_computed(flows, version):
    (life,) = flows(version, [("life", (), {"buffered": False})])
    assert life["prefilled"] == [1, [], None, None]
    assert life["tree"] == [[0, 20, 1, 1, False, 2]], "a copy in slot 2, locked by the request"
    assert life["ended"] == [[0, 20, 0, 0, False, 2], [20, 7, 0, 0, False, 1]], "the running state itself"
    assert life["free"] == list(range(3, 13))
    assert (life["refused"][0], life["free then"][-1]) == (None, 3), "copied, and given back at the end of the list"
    assert (life["second"][0], life["copied from"], life["delta"]) == (4, 2, 0)


@pytest.mark.parametrize("version", [OLD, NEW, NEXT])
def test_snapshots_take_turns_and_one_goes_to_the_tree(flows, version):
    (life,) = flows(version, [("life", (), {"buffered": True})])
    assert life["launched"] == [1, [2, 3], 1, 16], "two chunks of eight are kept in the first snapshot"
    assert life["prefilled"] == [1, [2, 3], 1, None]
    assert life["tree"] == [[0, 16, 1, 1, False, 4]], "a copy of it"
    assert life["ended"] == [[0, 16, 0, 0, False, 4], [16, 8, 0, 0, False, 3]], "the second snapshot itself"
    assert life["free"][-2:] == [1, 2]
    assert (life["copied from"], life["zeroed"], life["delta"]) == (4, [0, 0], 0)


# -- windows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [NEW, NEXT])
def test_a_cursor_beyond_the_cut_is_capped(flows, version):
    before, after, deltas = flows(version, [("overshoot", (), {})])[0]
    assert before == [40, 45, 42, 14]
    assert after == [38, 38, 38, 12]
    assert deltas == [0, 0, 0]


@pytest.mark.parametrize(("version", "reverts"), [(NEW, (22900, 23496)), (NEXT, REST)])
def test_without_the_cap_the_windowed_books_are_off_until_the_tail_is_cut(flows, version, reverts):
    before, after, deltas = flows(version, [("overshoot", (), {})], *reverts)[0]
    assert before == [40, 45, 42, 14]
    assert after == [38, 38, 42, 12]
    assert deltas == [-4, 0, 0]


def test_and_without_cutting_the_tail_until_the_session_closes(flows):
    *_, deltas = flows(NEW, [("overshoot", (), {})], 22862, 22900)[0]
    assert deltas == [-4, -4, 0]


@pytest.mark.parametrize(
    ("version", "page", "cursors", "tree"),
    [
        (OLD, 1, [2, 3, 11, 19, 27], [(0, 2, False), (2, 25, True), (27, 14, False)]),
        (NEW, 1, [2, 10, 18, 26], [(0, 2, False), (2, 24, True), (26, 15, False)]),
        (OLD, 4, [8, 16, 24, 32], [(0, 8, False), (8, 24, True), (32, 12, False)]),
        (NEW, 4, [8, 12, 20, 28], [(0, 8, False), (8, 20, True), (28, 16, False)]),
        (NEXT, 4, [8, 12, 20, 28], [(0, 8, False), (8, 20, True), (28, 16, False)]),
    ],
)
def test_what_left_the_window_becomes_a_tombstone(flows, version, page, cursors, tree):
    (seen,) = flows(version, [("window", (page,), {})])
    assert seen["cursors"] == cursors
    assert [(depth, length, tombstone) for depth, length, _, _, tombstone, _ in seen["tree"]] == tree
    gone = sum(length for _, length, tombstone in tree if tombstone)
    kept = sum(length for _, length, tombstone in tree if not tombstone)
    assert seen["unmapped"] == gone
    assert seen["terms"] == [160 - kept, kept, 0]


def test_the_old_busy_check_takes_the_smaller_pool_for_the_whole(flows):
    calls = [("chunk_cache_check", (), {})]
    assert flows(OLD, calls) == [["Mem Leak Detected! total_tokens=160 vs self.max_total_num_tokens=256", None]]
    assert flows(NEW, calls) == [[None, None]]
