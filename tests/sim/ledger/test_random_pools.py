"""Random runs with more pools than one: books equal recounts at every event, and 0.5.11 stays clean where it can."""

from collections import Counter

import pytest
from helpers.poolcase import KINDS, POOL_VARIATIONS, draw_pools
from helpers.randomaudit import BLOCKS, Workloads, must_be_clean

CALM, CALM_LENGTH = 160, 60
EVERY = Workloads(draw_pools)


@pytest.mark.parametrize("start", BLOCKS)
def test_incremental_books_of_every_pool_equal_the_recount_after_every_event(start):
    EVERY.equal_their_recounts(start)


def test_every_kind_of_pools_occurs_with_everything_that_goes_with_it():
    seen = {kind: Counter() for kind in KINDS}
    for seed, run in enumerate(EVERY):
        pool, knobs = run.case.config.pool, run.case.config.scheduler
        kind = KINDS[seed % len(KINDS)]
        assert pool.names == {"swa": ("full", "swa"), "both": ("full", "swa", "mamba")}.get(kind, ("full", "mamba"))
        seen[kind].update(
            [f"page {pool.page_size}", f"overlap {knobs.overlap}", f"radix {knobs.radix}"]
            + [word for word in ("chunked_prefill", "speculative", "mixed_chunk") if getattr(knobs, word)]
        )
    for word in ("page 1", "page 4", "page 16", "overlap True", "overlap False", "chunked_prefill", "speculative"):
        assert seen["swa"][word] >= 10, word
        assert seen["extra_buffer"][word] >= 10, word
    for word in ("overlap True", "overlap False", "radix True", "radix False", "chunked_prefill", "mixed_chunk"):
        assert seen["both"][word] >= 5, word
        assert seen["no_buffer"][word] >= 5, word


@pytest.mark.parametrize(
    ("kind", "least"),
    [("retracted", 10), ("aborted", 10), ("refused", 10), ("pressure", 3), ("check", 10), ("crash", 10), ("mixed", 10)],
)
def test_every_kind_of_event_occurs(kind, least):
    EVERY.have(kind, least)


def test_both_releases_and_every_variation_of_them_occur():
    EVERY.have_releases(POOL_VARIATIONS)


def test_what_the_audit_looks_for_in_the_new_pools_is_there_to_be_found():
    seen = {(verdict.pool, verdict.verdict) for run in EVERY for verdict in run.verdicts}
    swa, mamba = ("false-alarm", "leak", "watermark", "corrupt"), ("false-alarm", "leak", "alias", "corrupt")
    wanted = {"swa": swa, "mamba": mamba}
    assert {(pool, kind) for pool, kinds in wanted.items() for kind in kinds} <= seen
    assert ("mamba", "double-free") in seen


@pytest.mark.parametrize("kind", KINDS)
def test_0_5_11_is_clean_where_its_known_faults_are_out_of_reach(kind):
    """What they are stands in `draw_pools`."""
    seeds = range(CALM // len(KINDS))
    must_be_clean((draw_pools(seed, kind, calm=True) for seed in seeds), CALM_LENGTH)


def test_a_run_plays_again_from_its_actions():
    EVERY.play_again()
