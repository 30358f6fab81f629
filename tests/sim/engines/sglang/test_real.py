"""The released scheduler as an engine: the founding bugs, its own checks, its crashes, and the model in lockstep."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[3]
OLD, NEW, NEXT = "0.5.10.post1", "0.5.11", "0.5.12"
CLEAN = [0, 0, 0, 0, 0, 0]


@cache
def flows(path, version):
    """All flows of one release, played once, in a process of their own: one process holds one version."""
    done = subprocess.run(
        [sys.executable, "-m", "helpers.realflows", str(path), version], cwd=TESTS, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture
def played(sglang_source):
    return lambda version: flows(sglang_source(version).path, version)


# -- what the founding bugs give ---------------------------------------------------------------------------


def test_a_borrowed_slot_is_counted_twice_in_the_old_release(played):
    count = played(OLD)["double count"]
    assert (count["failed"], count["steps"], count["delta"]) == (19, 28, 0)
    assert count["first"] == ["Mem Leak Detected! total_tokens=261 vs self.max_total_num_tokens=256"]


def test_a_retried_turn_leaves_its_tail_behind_in_the_old_release(played):
    assert played(OLD)["retract tail"] == {
        "1": [-1, -2, -3, -4, -5, -5], "16": CLEAN,
        "1 v2": [-11, -24, -37, -50, -63, -63], "16 v2": [-16, -32, -48, -64, -80, -80],
    }  # fmt: skip


def test_speculative_turns_leave_what_was_reserved_in_the_old_release(played):
    assert played(OLD)["overshoot tail"] == {"1": [0, -6, -12, -18], "16": [0, -16, -16, -16]}


@pytest.mark.parametrize(("version", "held", "prompts"), [(OLD, [4, 34], [22, 50]), (NEW, [0, 0], [5, 33])])
def test_what_an_aborted_turn_leaves_to_its_session(played, version, held, prompts):
    turns = played(version)["aborted turn"]
    assert [turns[n]["held"] for n in ("1", "3")] == held
    assert [turns[n]["prompt"] for n in ("1", "3")] == prompts
    assert [turns[n]["delta"] for n in ("1", "3")] == [0, 0]


def test_a_turn_that_is_too_long(played):
    assert played(OLD)["too long"] == {"held": [3, -9], "delta": -13, "prompt": 6}
    assert played(NEW)["too long"] == {"held": [3, 3], "delta": 0, "prompt": 19}


@pytest.mark.parametrize("flow", ["two turns", "closed in flight"])
def test_a_crash_of_the_old_release_is_a_result_with_its_last_frames(played, flow):
    crashed = played(OLD)[flow]
    assert crashed["crash"] == ["AttributeError", "'_VirtualNode' object has no attribute 'lock_ref'"]
    assert [frame.split(":")[0] for frame in crashed["frames"]] == [
        "mem_cache/session_aware_cache.py", "mem_cache/radix_cache.py", "mem_cache/radix_cache.py",
    ]  # fmt: skip
    assert crashed["frames"][-1].endswith(" dec_lock_ref")


@pytest.mark.parametrize("version", [NEW, NEXT])
def test_the_releases_after_the_fixes_are_clean(played, version):
    found = played(version)
    assert found["double count"] == {"failed": 0, "steps": 28, "first": [], "delta": 0}
    assert found["retract tail"] == dict.fromkeys(["1", "16", "1 v2", "16 v2"], CLEAN)
    assert found["overshoot tail"] == {"1": [0] * 4, "16": [0] * 4}
    assert found["two turns"] == {"crash": None, "delta": 0}


@pytest.mark.parametrize("version", [NEW, NEXT])
def test_a_close_in_flight_waits_for_the_reaper(played, version):
    assert played(version)["closed in flight"] == {"crash": None, "sessions": 1, "reaped": ["A"], "delta": 0}


@pytest.mark.parametrize("version", [NEW, NEXT])
def test_every_operation_in_every_kind_of_loop_keeps_the_books(played, version):
    assert {name: said for name, said in played(version)["everything"].items() if said} == {}


# -- the release's own checks ------------------------------------------------------------------------------

LOST = {
    OLD: "token_to_kv_pool_allocator memory leak detected! self.max_total_num_tokens=256, available_size=253, "
    "evictable_size=2, protected_size=0, session_held=0",
    NEW: "pool memory leak detected! [full] total=256, available=253, evictable=2, protected=0, session_held=0, "
    "uncached=0",
}


@pytest.mark.parametrize("version", [OLD, NEW, NEXT])
def test_a_failed_idle_check_is_noted_or_fatal(played, version):
    message = LOST.get(version, LOST[NEW])
    assert played(version)["idle check"] == {"warn": message, "raise": ["ValueError", message]}


@pytest.mark.parametrize("version", [OLD, NEW, NEXT])
def test_the_idle_check_counts_rows(played, version):
    row = "req_to_token_pool memory leak detected!available_size=7, session_held=0, total_size=8"
    assert played(version)["lost row"] == row


# -- the host ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [OLD, NEW, NEXT])
def test_engines_that_take_turns_in_one_process_keep_their_own_settings(played, version):
    assert played(version)["taking turns"]


def test_what_only_the_constructor_would_have_set_is_our_fault_and_no_crash(played):
    assert played(NEW)["ours"] == "'Quiet' object has no attribute 'max_prefill_tokens'"


# -- the model ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [OLD, NEW])
def test_model_and_release_are_equal_after_every_operation(played, version):
    outcomes = played(version)["lockstep"]
    assert len(outcomes) >= 10
    assert {seed: said for seed, said in outcomes.items() if not said.startswith("equal")} == {}
    assert "equal" in outcomes.values()
