"""Retract: who goes, how far it goes, who is aborted, and what the ratio becomes."""

import pytest
from helpers.kvtest import new_scheduler
from helpers.rig import Rig, request_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.config import SpeculativeConfig
from sim.engines.protocol import EngineCrash
from sim.scheduler.allocation import alloc_extend
from sim.scheduler.batch import Batch
from sim.scheduler.retract import OUT_OF_MEMORY


class Running:
    """Requests (prompt, output so far) that run and hold their memory."""

    def __init__(self, *shapes, max_new=50, **knobs):
        self.scheduler = new_scheduler(**knobs)
        reqs = [
            self.scheduler.submit(request_of(f"r{i}", prompt, max_new))
            for i, (prompt, _) in enumerate(shapes)
        ]
        for req, (_, out) in zip(reqs, shapes, strict=True):
            req.out = out
            req.fill_len = req.extend_len = req.seqlen
            req.last_node = self.scheduler.memory.tree.root
            alloc_extend(self.scheduler.memory, [req], [])
            req.committed = req.allocated = req.fill_len
            self.scheduler.forward.prefill(req, self.scheduler.memory.rows.read(req.row, 0, req.fill_len))
        self.scheduler.waiting.clear()
        self.batch = Batch(reqs)

    def retract(self, most):
        """Retract until at most `most` requests are left."""
        result = self.scheduler.retractor.for_memory(self.batch, lambda chosen: len(chosen) <= most)
        return [r.rid for r in result.reqs], [r.rid for r in result.aborted], [r.rid for r in self.batch.reqs]


def test_at_least_one_is_retracted_where_two_run():
    assert Running((10, 5), (10, 9)).retract(most=8) == (["r0"], [], ["r1"])


def test_the_fewest_output_tokens_go_first_and_then_the_longest_prompt():
    gone, _, left = Running((10, 5), (10, 2), (30, 2), (10, 9)).retract(most=1)
    assert (gone, left) == (["r2", "r1", "r0"], ["r3"])


def test_it_stops_as_soon_as_the_rest_fits():
    gone, _, left = Running((10, 5), (10, 2), (30, 2), (10, 9)).retract(most=2)
    assert (gone, left) == (["r2", "r1"], ["r3", "r0"])


def test_with_speculation_the_back_of_the_batch_goes_first():
    gone, _, left = Running((10, 1), (10, 5), (10, 9), speculative=SpeculativeConfig()).retract(most=2)
    assert (gone, left) == (["r2"], ["r0", "r1"])


def test_the_last_one_is_aborted_and_not_requeued_if_it_still_does_not_fit():
    running = Running((10, 5), (10, 2))
    last = running.batch.reqs[0]
    assert running.retract(most=0) == (["r1"], ["r0"], [])
    assert last.to_finish == OUT_OF_MEMORY


def test_a_lone_request_is_aborted_at_once():
    assert Running((10, 5)).retract(most=0) == ([], ["r0"], [])


def test_a_lone_request_that_fits_stays():
    assert Running((10, 5)).retract(most=1) == ([], [], ["r0"])


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 6)), min_size=1, max_size=6), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_memory_of_those_who_go_comes_back_and_of_those_who_stay_stays(shapes, most):
    running = Running(*shapes)
    gone, aborted, left = running.retract(most)
    assert sorted(gone + aborted + left) == sorted(f"r{i}" for i in range(len(shapes)))
    kept = sum(sum(shapes[int(rid[1:])]) for rid in left)
    memory = running.scheduler.memory
    assert memory.allocator.available() == 1000 - kept
    assert len(memory.rows.free) == 8 - len(left)
    assert not memory.ledger.fresh


def test_a_retracted_request_holds_nothing_and_keeps_its_output():
    running = Running((10, 5), (10, 9))
    victim = running.batch.reqs[0]
    running.retract(most=1)
    assert (victim.row, victim.committed, victim.allocated, victim.out, victim.is_retracted) == (
        None,
        0,
        0,
        5,
        True,
    )


@pytest.mark.parametrize(
    ("outs", "max_new", "ratio"), [((10, 10), 50, (20 + 40) / 101), ((30,), 50, 50 / 51), ((40, 40), 50, 1.0)]
)
def test_the_new_ratio_is_what_the_survivors_used_and_20_steps_more(outs, max_new, ratio):
    running = Running(*((10, out) for out in outs), max_new=max_new)
    assert running.scheduler.retractor.new_ratio(running.batch) == pytest.approx(ratio)


def test_a_negative_output_limit_can_divide_by_zero_as_in_the_release():
    running = Running((10, 0))
    running.batch.reqs[0].clamp_max_new(-1)
    with pytest.raises(EngineCrash, match="ZeroDivisionError"):
        running.scheduler.retractor.new_ratio(running.batch)


def test_named_victims_go_in_batch_order_and_the_others_stay():
    running = Running((10, 1), (10, 2), (10, 3))
    gone = running.scheduler.retractor.named(running.batch, ["r2", "r0"])
    assert ([r.rid for r in gone], [r.rid for r in running.batch.reqs]) == (["r0", "r2"], ["r1"])


def test_all_of_a_batch_can_go():
    running = Running((10, 1), (10, 2))
    assert [r.rid for r in running.scheduler.retractor.all_of(running.batch)] == ["r0", "r1"]
    assert running.batch.reqs == []
    assert running.scheduler.memory.allocator.available() == 1000


def test_room_is_made_for_20_steps_of_those_who_stay():
    running = Running((10, 1), (10, 2), tokens=60)
    memory = running.scheduler.memory
    slots = memory.allocator.alloc(30, 6)
    memory.tree.insert(slots * 0 + range(500, 530), slots, 6)
    assert memory.allocator.available() == 7
    running.retract(most=1)
    assert memory.allocator.available() == 7 + 11 + 30
    assert memory.tree.evictable == 0


# -- in the loop ------------------------------------------------------------------------------------------


def test_a_pool_that_runs_full_sends_the_one_with_the_least_output_back_to_the_queue():
    rig = Rig(tokens=60, overlap=False, conservativeness=0.1, retract_steps=5)
    rig.send("a", 20, 30)
    rig.step(3)
    rig.send("b", 20, 12)
    while not rig.step().retracted:
        assert not rig.engine.idle
    assert rig.reports[-1].retracted == ("b",)
    assert (rig.request("a").out, rig.request("b").out) == (13, 10)
    assert rig.engine.scheduler.ratio == pytest.approx((12 + 5) / 31)
    assert rig.engine.snapshot().waiting == ("b",)
    rig.drain()
    assert (rig.terms.delta, rig.kinds) == (0, [])


def test_a_streaming_victim_gains_nothing_because_its_memory_moves_to_the_slot():
    rig = Rig(overlap=False)
    rig.open("a")
    rig.turn("a/1", 20, 30)
    rig.send("b", 20, 30)
    rig.step(4)
    before = rig.terms.available
    rig.retract("a/1")
    assert rig.terms.available == before
    assert rig.terms.session_held == 3
