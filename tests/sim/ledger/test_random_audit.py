"""Random runs with an audit at every event: the incremental books always equal the recount, and 0.5.11 stays clean."""

from collections import Counter

import pytest
from helpers.randomaudit import BLOCKS, LENGTH, Workloads, must_be_clean
from helpers.randomcase import VARIATIONS, draw_case
from helpers.randomrun import Player, improvised, shrunk

CALM, CALM_LENGTH = 150, 60
EVERY = Workloads(draw_case)


@pytest.mark.parametrize("start", BLOCKS)
def test_incremental_books_equal_the_recount_after_every_event(start):
    EVERY.equal_their_recounts(start)


@pytest.mark.parametrize(
    "kind",
    [
        "open", "submit", "abort", "close", "expire", "retract", "refuse", "reap", "prefill", "decode", "mixed", "idle",
        "finished", "aborted", "retracted", "refused", "pressure", "check", "crash",
    ],
)  # fmt: skip
def test_every_kind_of_event_occurs_in_many_workloads(kind):
    EVERY.have(kind, 10)


def test_every_combination_of_page_overlap_and_speculation_occurs():
    seen = Counter()
    for run in EVERY:
        pool, knobs = run.case.config.pool, run.case.config.scheduler
        seen[pool.page_size, knobs.overlap, knobs.speculative is not None] += 1
    wanted = {(page, overlap, spec) for page in (1, 4, 16) for overlap in (True, False) for spec in (True, False)}
    assert set(seen) == wanted
    assert min(seen.values()) >= 10


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("chunked_prefill", {None, 5, 16, 32}), ("mixed_chunk", {True, False}), ("radix", {True, False}),
        ("policy", {"fcfs", "lpm", "lof", "dfs-weight", "random"}), ("priority", {True, False}),
        ("preemption", {True, False}), ("eviction", {"lru", "lfu", "fifo", "mru", "filo", "priority", "slru"}),
        ("busy_check", {0, 1}), ("consecutive_prefill_overlap", {True, False}),
    ],
)  # fmt: skip
def test_every_setting_occurs(name, wanted):
    assert {getattr(run.case.config.scheduler, name) for run in EVERY} == wanted


def test_both_releases_and_every_variation_of_them_occur():
    EVERY.have_releases(VARIATIONS)


def test_every_verdict_about_memory_occurs():
    """What the audit looks for is there to be found."""
    seen = {verdict.verdict for run in EVERY for verdict in run.verdicts}
    assert seen == {"false-alarm", "leak", "double-free", "alias", "silent", "corrupt", "watermark", "crash"}


def test_0_5_11_is_clean_where_its_known_faults_are_out_of_reach():
    """One turn of a session at a time, and the other precautions of a calm case."""
    must_be_clean((draw_case(seed, calm=True) for seed in range(CALM)), CALM_LENGTH)


def test_a_run_plays_again_from_its_actions():
    EVERY.play_again()


def leaks(run):
    return any(verdict.verdict == "leak" for verdict in run.verdicts)


def test_shrinking_keeps_what_the_run_showed():
    """No action can be taken out of what is left without losing it."""
    case = next(
        case
        for case in (draw_case(seed, calm=True, release={"revert": (22862,)}) for seed in range(200))
        if leaks(improvised(case, LENGTH))
    )
    small = shrunk(improvised(case, LENGTH), leaks)
    assert leaks(small)
    for i in range(len(small.actions)):
        assert not leaks(Player(case).play(small.actions[:i] + small.actions[i + 1 :]))
