"""Random runs with an audit at every event: the incremental books always equal the recount, and 0.5.11 stays clean."""

from collections import Counter
from functools import cache

import pytest
from helpers.randomcase import VARIATIONS, draw_case
from helpers.randomrun import Player, improvised, shrunk

WORKLOADS, BLOCK = 500, 50
LENGTH = 110
CALM, CALM_LENGTH = 150, 60


@cache
def run_of(seed):
    return improvised(draw_case(seed), LENGTH)


def everything():
    return [run_of(seed) for seed in range(WORKLOADS)]


@pytest.mark.parametrize("start", range(0, WORKLOADS, BLOCK))
def test_incremental_books_equal_the_recount_after_every_event(start):
    """`audit="event"` recounts after each event and raises OurFault where the books differ."""
    for seed in range(start, start + BLOCK):
        try:
            run = run_of(seed)
        except Exception as error:
            error.add_note(f"random workload {seed}: {draw_case(seed)}")
            raise
        assert len(run.actions) > 3


@pytest.mark.parametrize(
    "kind",
    [
        "open", "submit", "abort", "close", "expire", "retract", "refuse", "reap", "prefill", "decode", "mixed", "idle",
        "finished", "aborted", "retracted", "refused", "pressure", "check", "crash",
    ],
)  # fmt: skip
def test_every_kind_of_event_occurs_in_many_workloads(kind):
    having = sum(run.kinds[kind] > 0 for run in everything())
    assert having >= 10, f"{kind} occurs in {having} of {WORKLOADS} workloads"


def test_every_combination_of_page_overlap_and_speculation_occurs():
    seen = Counter()
    for run in everything():
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
    assert {getattr(run.case.config.scheduler, name) for run in everything()} == wanted


def test_both_releases_and_every_variation_of_them_occur():
    seen = [run.case.release for run in everything()]
    assert {} in seen
    assert {"release": "sglang-0.5.10"} in seen
    assert [v for v in VARIATIONS if v not in seen] == []


def test_every_verdict_about_memory_occurs():
    """What the audit looks for is there to be found."""
    seen = {verdict.verdict for run in everything() for verdict in run.verdicts}
    assert seen == {"false-alarm", "leak", "double-free", "alias", "silent", "corrupt", "watermark", "crash"}


def test_0_5_11_is_clean_where_its_known_faults_are_out_of_reach():
    """One turn of a session at a time, and the other precautions of a calm case."""
    for seed in range(CALM):
        run = improvised(draw_case(seed, calm=True), CALM_LENGTH)
        if not run.clean:
            small = shrunk(run, lambda shorter: not shorter.clean)
            what = small.verdicts[0].text()
            pytest.fail("\n".join([f"seed {seed}: {what}", str(small.case), *map(str, small.actions)]))


def test_a_run_plays_again_from_its_actions():
    for seed in range(20):
        run = run_of(seed)
        again = Player(run.case).play(run.actions)
        assert [v.to_json() for v in again.verdicts] == [v.to_json() for v in run.verdicts]
        assert (again.kinds, again.crash) == (run.kinds, run.crash)


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
