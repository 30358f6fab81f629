"""The marks of states in a forward pass: whose they are, where they stand, and what is said when they are not."""

import pytest
from helpers.rig import Rig

from sim.config import MambaConfig


def rig_of(strategy="no_buffer", **more):
    mamba = MambaConfig(slots=16, strategy=strategy, track_interval=8, chunk=4)
    return Rig(tokens=256, mamba=mamba, **{"overlap": strategy == "extra_buffer", **more})


def place(rig, rid):
    request = rig.request(rid)
    return rig.engine.scheduler.memory.states.marks.place(request.state.slot), request.tag


@pytest.mark.parametrize("strategy", ["no_buffer", "extra_buffer"])
def test_the_state_of_a_request_follows_its_text(strategy):
    rig = rig_of(strategy)
    rig.send("r", 10, 6)
    rig.step()
    (owner, position), tag = place(rig, "r")
    assert (owner, position) == (tag, 10)
    rig.step()
    assert place(rig, "r")[0] == (tag, 11)


def test_a_state_that_is_handed_to_another_while_it_is_in_use_is_read_wrong_by_both():
    rig = rig_of(radix=False)
    rig.send("r", 10, 12)
    rig.send("s", 6, 12)
    rig.step()
    rig.request("s").state.slot = rig.request("r").state.slot
    rig.engine.scheduler.running.keep(rig.engine.scheduler.running.reqs)
    rig.engine.scheduler.last.keep(rig.engine.scheduler.last.reqs)
    rig.step()
    corrupt = {v.request: v.message for v in rig.verdicts if v.verdict == "corrupt"}
    assert "which goes on from position 6, stands at position 10 and is that of request r" in corrupt["s"]
    rig.step()
    assert {v.request for v in rig.verdicts if v.verdict == "corrupt"} == {"r", "s"}


def test_a_new_text_needs_a_state_that_nothing_went_through():
    rig = rig_of(radix=False)
    states = rig.engine.scheduler.memory.states
    states.marks.clear = lambda slots: None
    states.marks.stamp(1, 46, 7)
    rig.send("r", 10, 2)
    rig.step()
    (verdict,) = rig.verdicts
    assert (verdict.verdict, verdict.pool, verdict.request) == ("corrupt", "mamba", "r")
    assert "goes on from position 0, stands at position 7" in verdict.message


def test_a_turn_that_is_retracted_under_overlap_goes_on_below_its_state():
    """A state cannot be rolled back: the last token is counted into it twice. No check of the release sees it."""
    rig = rig_of("extra_buffer")
    rig.open("a")
    rig.turn("a/1", 20, 12)
    rig.send("r", 8, 30)
    rig.step(5)
    rig.retract("a/1", how="memory")
    rig.step(4)
    corrupt = [v for v in rig.verdicts if v.verdict == "corrupt"]
    assert [(v.pool, v.session, v.detected_by) for v in corrupt] == [("mamba", "a", "never")]
