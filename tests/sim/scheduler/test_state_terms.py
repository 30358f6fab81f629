"""The terms of the state pool, counted over the requests and slots by hand."""

import pytest
from helpers.rig import Rig

from sim.config import MambaConfig, SwaConfig
from sim.scheduler.batch import Batch


def rig_of(release="sglang-0.5.11", strategy="extra_buffer", **more):
    return Rig(release, mamba=MambaConfig(slots=40, strategy=strategy), audit="off", **{"overlap": True, **more})


def terms(rig):
    return rig.engine.snapshot().pools["mamba"]


def test_each_running_request_has_its_running_state_and_its_snapshots():
    rig = rig_of()
    for rid in "abc":
        rig.send(rid, 10, 30)
    rig.step(4)
    assert terms(rig)[:5] == (31, 0, 0, 0, 9)
    rig.step(5)
    assert terms(rig).uncached == 9
    rig.retract("b")
    assert terms(rig)[:5] == (34, 0, 0, 0, 6)


def test_a_request_in_the_last_and_in_the_running_batch_counts_once():
    rig = rig_of()
    rig.send("a", 10, 30)
    rig.step(4)
    rig.send("b", 10, 30)
    for _ in range(4):
        rig.step()
        assert terms(rig).delta == 0


def test_a_request_that_stands_in_two_batches_counts_once():
    rig = rig_of()
    rig.send("a", 10, 30)
    rig.step(3)
    scheduler = rig.engine.scheduler
    scheduler.last = Batch(list(scheduler.running.reqs))
    scheduler.view.changed()
    assert terms(rig).uncached == 3


@pytest.mark.parametrize(("release", "held", "delta"), [("sglang-0.5.10", 3, 3), ("sglang-0.5.11", 0, 0)])
def test_0_5_10_counts_what_a_session_lends_as_held_too(release, held, delta):
    rig = rig_of(release)
    rig.open("s")
    rig.run_turn("s/1", 20, 6)
    assert (terms(rig).session_held, terms(rig).delta) == (3, 0)
    rig.turn("s/2", 5, 20)
    rig.step(3)
    assert (terms(rig).session_held, terms(rig).uncached, terms(rig).delta) == (held, 3, delta)


def test_a_windowed_tree_keeps_no_states():
    rig = rig_of(strategy="no_buffer", swa=SwaConfig(tokens=800, window=16))
    rig.send("a", 30, 8)
    rig.step(3)
    assert terms(rig)[:5] == (39, 0, 0, 0, 1)
    rig.drain()
    assert terms(rig)[:5] == (40, 0, 0, 0, 0)
    assert list(rig.engine.snapshot().pools) == ["full", "swa", "mamba"]
