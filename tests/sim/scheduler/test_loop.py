"""The event loop by small examples: what overlap changes, how batches follow each other."""

import pytest
from helpers.rig import Rig

from sim.config import SpeculativeConfig
from sim.engines.protocol import Progress, Request
from sim.world import Segment


def kinds(rig):
    return [report.kind for report in rig.reports]


# -- overlap (domain §2.2) ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("overlap", "committed"), [(False, 25), (True, 26)])
def test_c_at_the_end_of_a_turn(overlap, committed):
    """20 + 6 tokens: under overlap one step more has been launched when the end is found: O + out, else O + out − 1."""
    rig = Rig(overlap=overlap)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    assert (rig.slot("a").committed, rig.slot("a").allocated) == (committed, committed)


def test_no_step_is_wasted_if_a_prefill_came_between():
    """The turn ends with its first token while another request is prefilled: c = O + out − 1 = 20."""
    rig = Rig(overlap=True)
    rig.open("a")
    rig.turn("a/1", 20, 1)
    rig.step()
    rig.send("r", 5, 2)
    assert rig.step().kind == "prefill"
    assert (rig.slot("a").committed, rig.slot("a").allocated) == (20, 20)


def test_the_wasted_step_adds_no_token():
    rig = Rig(overlap=True)
    rig.send("r", 20, 6)
    rig.drain()
    assert rig.engine.progress("r").decoded == 6
    assert sum(report.decode_requests for report in rig.reports) == 6


def test_a_result_is_known_one_iteration_later():
    decoded = {}
    for overlap in (False, True):
        rig = Rig(overlap=overlap)
        rig.send("r", 20, 9)
        decoded[overlap] = []
        for _ in range(4):
            rig.step()
            decoded[overlap].append(rig.engine.progress("r").decoded)
    assert decoded == {False: [1, 2, 3, 4], True: [0, 1, 2, 3]}


def test_a_finished_request_stays_in_the_last_batch_until_the_next_filter():
    rig = Rig(overlap=True)
    rig.send("r", 20, 2)
    rig.step(3)
    assert rig.reports[-1].finished == ("r",)
    assert rig.engine.snapshot().last_batch == ("r",)
    rig.step()
    assert rig.engine.snapshot().last_batch is None


def test_the_result_of_a_request_retracted_in_flight_is_dropped():
    """Memory runs out while its step is in flight: its slot counts in c, its token is never seen."""
    rig = Rig(overlap=True)
    rig.open("a")
    rig.turn("a/1", 20, 9)
    rig.send("r", 5, 9)
    rig.step(4)
    assert rig.engine.progress("a/1").decoded == 3
    rig.retract("a/1", how="memory")
    assert rig.step().retracted == ("a/1",)
    assert rig.engine.progress("a/1") == Progress("queued", 20, 3)
    assert rig.slot("a").committed == 23
    rig.drain()
    assert rig.engine.progress("a/1").decoded == 9
    assert rig.verdicts == []


def test_a_pause_waits_for_the_result_in_flight():
    rig = Rig(overlap=True)
    rig.open("a")
    rig.turn("a/1", 20, 9)
    rig.step(4)
    rig.retract("a/1")
    assert rig.engine.progress("a/1").decoded == 4
    assert rig.slot("a").committed == 23


@pytest.mark.parametrize(("overlap", "empty"), [(False, 1), (True, 2)])
def test_under_overlap_it_takes_two_empty_iterations_to_be_idle(overlap, empty):
    """The first of them still processes a result. The idle routine sets the ratio back to 0.7."""
    rig = Rig(overlap=overlap)
    rig.send("r", 20, 3)
    rig.step(3)
    ratios = []
    while rig.engine.scheduler.ratio < 0.7:
        ratios.append(rig.step().kind)
    assert ratios.count("idle") == empty


# -- one batch after the other (§2.3, §2.4) -------------------------------------------------------------------


def test_a_prefill_goes_before_a_decode():
    rig = Rig(overlap=False)
    rig.send("r", 20, 9)
    rig.step(2)
    rig.send("s", 10, 9)
    rig.step(2)
    assert kinds(rig) == ["prefill", "decode", "prefill", "decode"]
    assert [report.batch for report in rig.reports] == [1, 1, 1, 2]
    assert rig.engine.snapshot().running == ("r", "s")


def test_a_long_prompt_is_split_and_each_chunk_is_stashed_in_the_tree():
    """40 = 16 + 16 + 8; p follows one iteration later, when the next chunk is chosen."""
    rig = Rig(chunked_prefill=16, overlap=False)
    rig.send("r", 40, 3)
    protected = []
    for _ in range(3):
        rig.step()
        protected.append(rig.terms.protected)
    assert [report.prefill_tokens for report in rig.reports] == [16, 16, 8]
    assert protected == [0, 16, 40]
    assert rig.engine.snapshot().chunked is None


def test_a_chunk_that_the_tree_has_already_goes_back():
    """Two prompts of the same 40 tokens: s finds 32 of them in the tree, and its copy of the last 8 is freed."""
    rig = Rig(chunked_prefill=16, overlap=False, max_running=2)
    for rid in ("r", "s"):
        rig.submit(Request(rid=rid, prompt=(Segment(name="same", length=40),), max_new=2))
    rig.drain()
    assert [report.prefill_tokens for report in rig.reports][:3] == [16, 16, 8 + 8]
    assert rig.terms.evictable == 40 + 1 + 1
    assert rig.verdicts == []


def test_a_turn_that_continues_is_split_without_the_tree():
    rig = Rig(chunked_prefill=16, overlap=False)
    rig.open("a")
    rig.run_turn("a/1", 10, 4)
    rig.turn("a/2", 40, 4)
    rig.step(2)
    assert rig.terms.protected == 10
    assert rig.request("a/2").protected == 10
    assert rig.request("a/2").allocated == 13 + 32
    rig.drain()
    assert rig.verdicts == []


@pytest.mark.parametrize("overlap", [False, True])
def test_a_mixed_batch_prefills_one_and_decodes_the_others(overlap):
    rig = Rig(chunked_prefill=16, mixed_chunk=True, overlap=overlap)
    rig.send("r", 8, 20)
    rig.step(3)
    before = rig.request("r")
    assert (before.protected, rig.engine.progress("r").decoded) == (8, 2 if overlap else 3)
    rig.send("s", 40, 2)
    report = rig.step()
    assert (report.kind, report.batch, report.prefill_tokens, report.decode_requests) == ("mixed", 2, 15, 1)
    assert rig.engine.snapshot().last_batch == ("s", "r")
    rig.step()
    assert (before.protected, before.out) == (8, 4 if overlap else 5)
    rig.drain()
    assert rig.verdicts == []


def test_an_admission_refused_while_nothing_runs_is_for_ever():
    """The batch counts as full, and only a running request that ends would clear that."""
    rig = Rig()
    rig.refuse("r", 1)
    rig.send("r", 5, 2)
    rig.drain()
    rig.step(20)
    assert (rig.engine.waiting, rig.engine.idle) == (1, True)


def test_an_admission_refused_while_another_runs_is_tried_again_when_that_ends():
    rig = Rig(overlap=False)
    rig.send("o", 5, 4)
    rig.step(2)
    rig.refuse("r", 1)
    rig.send("r", 5, 2)
    rig.drain()
    assert kinds(rig)[:6] == ["prefill", "decode", "decode", "decode", "idle", "prefill"]


def test_the_queue_may_be_bounded():
    rig = Rig(max_queued=1)
    rig.send("r", 5, 2)
    rig.send("s", 5, 2)
    assert rig.engine.progress("s").state == "aborted"
    assert rig.step().aborted == ("s",)


# -- aborts and time-outs -----------------------------------------------------------------------------------


def test_an_abort_in_the_queue_leaves_no_trace():
    rig = Rig()
    rig.send("r", 20, 9)
    before = rig.terms
    rig.abort("r")
    assert (rig.engine.waiting, rig.terms) == (0, before)
    assert rig.step().aborted == ("r",)


@pytest.mark.parametrize(("overlap", "cached"), [(False, 23), (True, 24)])
def test_an_aborted_request_runs_one_more_step_and_is_cached(overlap, cached):
    """Aborted with c = 22 (overlap 23): one more step, then [0, c) stays in the tree."""
    rig = Rig(overlap=overlap)
    rig.send("r", 20, 50)
    rig.step(4 if overlap else 3)
    rig.abort("r")
    rig.step()
    assert rig.reports[-1].aborted == ("r",)
    assert (rig.terms.evictable, rig.terms.protected) == (cached, 0)


def test_a_request_that_is_too_long_still_runs_a_prefill_of_one_token():
    rig = Rig(context=64)
    rig.send("r", 60, 9)
    rig.drain()
    assert [report.prefill_tokens for report in rig.reports if report.kind == "prefill"] == [1]
    assert rig.engine.progress("r").state == "aborted"


def test_a_request_may_wait_only_so_long():
    rig = Rig(tokens=100, waiting_timeout=1.0)
    rig.send("o", 20, 60)
    rig.step(2)
    rig.send("r", 50, 9)
    rig.advance(0.9)
    assert rig.step().aborted == ()
    rig.advance(1.1)
    assert rig.step().aborted == ("r",)


def test_a_request_may_run_only_so_long():
    rig = Rig(running_timeout=1.0, overlap=False)
    rig.send("r", 20, 60)
    rig.step(2)
    rig.advance(1.1)
    assert rig.step().aborted == ("r",)


# -- speculation ----------------------------------------------------------------------------------------------


def test_v1_never_overshoots_and_has_c_equal_to_a_between_rounds():
    rig = Rig(speculative=SpeculativeConfig(), overlap=False)
    rig.send("r", 20, 10, accept=(4,))
    seen = []
    for _ in range(3):
        rig.step()
        request = rig.request("r")
        seen.append((request.committed, request.allocated, request.out))
    assert seen == [(20, 20, 1), (24, 24, 5), (28, 28, 9)]
    rig.drain()
    assert rig.engine.progress("r").decoded == 10


def test_v2_timeline():
    """The worked example of domain §4.2: steps 3, A = 4, O = 20, max_new = 12, accepting 3, 4, 4."""
    rig = Rig(speculative=SpeculativeConfig(), overlap=True)
    rig.open("a")
    rig.turn("a/1", 20, 12, accept=(3, 4, 4))
    seen = []
    for _ in range(4):
        rig.step()
        request = rig.request("a/1")
        seen.append((request.out, request.committed, request.allocated))
    assert seen == [(0, 20, 20), (1, 21, 28), (4, 24, 29), (8, 28, 32)]
    rig.step()
    assert (rig.slot("a").committed, rig.slot("a").allocated) == (32, 32)


def test_v2_timeline_of_0_5_10():
    """Without the bonus slot claimed c lags by one: it ends with c = 31, a = 35, and the tail stays."""
    rig = Rig("sglang-0.5.10", speculative=SpeculativeConfig(), overlap=True)
    rig.open("a")
    rig.run_turn("a/1", 20, 12, accept=(3, 4, 4))
    assert (rig.slot("a").committed, rig.slot("a").allocated) == (31, 35)
