"""The release's own checks: their texts and when they speak."""

from types import SimpleNamespace

import pytest
from helpers.rig import Rig, request_of

from policies.checks import Checks10, Checks11
from sim.engines.protocol import Terms


def view(available, *, uncached=0, free_rows=6, holding=2):
    terms = Terms(available, 5, 20, 6, uncached, 1000)
    return SimpleNamespace(
        terms=lambda: terms, idle_terms=lambda: terms._replace(uncached=0), free_rows=free_rows,
        holding_slots=holding, rows=8,
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
