"""The release's own checks: their texts and when they speak."""

from types import SimpleNamespace

import pytest
from helpers.rig import Rig, request_of

from policies.checks import Checks10, Checks11
from sim.engines.protocol import EngineCrash, Terms


def view(available, *, uncached=0, free_rows=6, holding=2, swa=None, tree=True, locked=False):
    terms = Terms(available, 5, 20, 6, uncached, 1000)
    books = {"full": terms} if swa is None else {"full": terms, "swa": swa}
    return SimpleNamespace(
        terms=lambda: terms, windowed_terms=lambda: swa, free_rows=free_rows, holding_slots=holding, rows=8,
        idle_books=lambda: {pool: terms._replace(uncached=0) for pool, terms in books.items()},
        windowed_tree=swa is not None and tree, recurrent_tree=False, locked_at_rest=lambda: locked,
    )  # fmt: skip


WHOLE, SHORT = view(969), view(960, uncached=3)


@pytest.mark.parametrize("checks", [Checks10(), Checks11()])
def test_a_sum_that_is_whole_says_nothing(checks):
    assert checks.busy(WHOLE) is None
    assert checks.idle(WHOLE) is None


@pytest.mark.parametrize("checks", [Checks10(), Checks11()])
def test_the_idle_check_leaves_out_what_the_last_batch_says(checks):
    retracted = view(969, uncached=-16)
    assert checks.idle(retracted) is None
    assert checks.busy(retracted) is not None


def test_busy_texts():
    assert Checks10().busy(SHORT) == "Mem Leak Detected! total_tokens=994 vs self.max_total_num_tokens=1000"
    assert Checks11().busy(SHORT) == (
        "Full Pool Mem Leak Detected! [full] total=1000, available=960, evictable=5, protected=20, "
        "session_held=6, uncached=3"
    )


def test_idle_texts():
    old, new = Checks10().idle(SHORT), Checks11().idle(SHORT)
    assert old.startswith(
        "token_to_kv_pool_allocator memory leak detected! self.max_total_num_tokens=1000, "
        "available_size=960, evictable_size=5, protected_size=20, session_held=6"
    )
    assert new == (
        "pool memory leak detected! [full] total=1000, available=960, evictable=5, protected=20, "
        "session_held=6, uncached=0"
    )


@pytest.mark.parametrize("checks", [Checks10(), Checks11()])
def test_the_idle_check_counts_the_rows_too(checks):
    assert checks.idle(view(969, free_rows=5)) == (
        "req_to_token_pool memory leak detected!available_size=5, session_held=2, total_size=8"
    )


BALANCED, FOUR_SHORT = Terms(700, 50, 30, 10, 10, 800), Terms(700, 50, 30, 6, 10, 800)


def test_0_5_11_looks_at_the_full_pool_first_and_then_at_the_windowed_one():
    assert Checks11().busy(view(966, uncached=3, swa=BALANCED)) is None
    assert Checks11().busy(view(966, uncached=3, swa=FOUR_SHORT)) == (
        "SWA Pool Mem Leak Detected! [swa] total=800, available=700, evictable=50, protected=30, session_held=6, "
        "uncached=10"
    )
    assert Checks11().busy(view(960, uncached=3, swa=FOUR_SHORT)).startswith("Full Pool")


def test_0_5_11_at_rest_prints_a_line_for_each_pool():
    assert Checks11().idle(view(969, swa=Terms(700, 50, 30, 16, 10, 800))) == (
        "pool memory leak detected! "
        "[full] total=1000, available=969, evictable=5, protected=20, session_held=6, uncached=0\n"
        "[swa] total=800, available=700, evictable=50, protected=30, session_held=16, uncached=0"
    )


def test_0_5_10_at_rest_says_of_each_pool_what_is_lost():
    assert Checks10().idle(view(966, swa=Terms(700, 50, 30, 24, 10, 800))) == (
        "token_to_kv_pool_allocator memory leak detected! full_leaked=3, swa_leaked=-4\n"
        "self.full_tokens_per_layer=1000, full_available_size=966, full_evictable_size=5, full_protected=20, "
        "session_held_full=6\n"
        "self.swa_tokens_per_layer=800, swa_available_size=700, swa_evictable_size=50, swa_protected=30, "
        "session_held_swa=24"
    )


def test_the_busy_check_of_0_5_10_does_not_exist_for_the_tree_of_a_windowed_model():
    assert Checks10().busy(view(960, uncached=3, swa=FOUR_SHORT)) is None


def test_without_that_tree_it_adds_up_the_smaller_pool():
    assert Checks10().busy(view(966, uncached=3, swa=BALANCED, tree=False)) == (
        "Mem Leak Detected! total_tokens=734 vs self.max_total_num_tokens=1000"
    )


@pytest.mark.parametrize("checks", [Checks10(), Checks11()])
def test_a_lock_that_was_lost_kills_the_scheduler_at_rest(checks):
    whole = BALANCED._replace(uncached=0, session_held=20)
    assert checks.idle(view(969, swa=whole)) is None
    with pytest.raises(EngineCrash, match="SWA Radix tree sanity check failed"):
        checks.idle(view(969, swa=whole, locked=True))


def test_rows_begin_at_0_in_0_5_10_and_at_1_in_0_5_11():
    assert (Checks10().first_row, Checks11().first_row) == (0, 1)


@pytest.mark.parametrize(("release", "speaks"), [("sglang-0.5.10", True), ("sglang-0.5.11", False)])
def test_with_a_request_waiting_only_the_idle_check_of_0_5_10_runs(release, speaks):
    engine = Rig(release).engine
    engine.scheduler.memory.allocator.free_list.take(3)
    engine.refuse("b", 100)
    engine.submit(request_of("b", 10, 5))
    reports = [engine.step() for _ in range(5)]
    assert any(report.release_check is not None for report in reports) is speaks
