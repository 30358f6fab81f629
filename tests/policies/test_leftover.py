"""The recurrent states of a session that closes: freed, or forgotten."""

import pytest
from helpers.rig import Rig

from sim.config import MambaConfig
from sim.ledger.owners import NOBODY

STRATEGIES = [("no_buffer", False, 1), ("extra_buffer", True, 3), ("extra_buffer", False, 2)]


def closed(release, strategy, overlap, **more):
    rig = Rig(release, mamba=MambaConfig(slots=24, strategy=strategy), overlap=overlap, audit="off", **more)
    rig.open("s")
    rig.run_turn("s/1", 20, 6)
    held = rig.engine.snapshot().pools["mamba"].session_held
    rig.close("s")
    return rig, held


@pytest.mark.parametrize(("strategy", "overlap", "states"), STRATEGIES)
def test_23496_gives_back_the_running_state_and_the_snapshots(strategy, overlap, states):
    rig, held = closed("sglang-0.5.11", strategy, overlap)
    terms = rig.engine.snapshot().pools["mamba"]
    assert (held, terms.session_held, terms.delta) == (states, 0, 0)
    assert terms.available + terms.evictable == 24


@pytest.mark.parametrize(("strategy", "overlap", "states"), STRATEGIES)
@pytest.mark.parametrize(("release", "revert"), [("sglang-0.5.10", []), ("sglang-0.5.11", [23496])])
def test_without_it_each_close_loses_them(release, revert, strategy, overlap, states):
    rig, held = closed(release, strategy, overlap, revert=revert)
    assert held == states
    assert rig.engine.snapshot().pools["mamba"].delta == -states
    tags = rig.engine.scheduler.memory.states.owners.tags
    assert [int(tag) for tag in tags].count(NOBODY) == states


def test_a_first_turn_that_is_aborted_while_it_runs_loses_them_in_0_5_11():
    rig = Rig(mamba=MambaConfig(slots=24, strategy="extra_buffer"), overlap=True, audit="off")
    rig.open("s")
    rig.turn("s/1", 20, 30)
    rig.step(6)
    rig.abort("s/1")
    rig.drain()
    assert rig.engine.snapshot().pools["mamba"].delta == -3
    assert rig.engine.snapshot().pools["full"].delta == 0
    tags = rig.engine.scheduler.memory.states.owners.tags
    assert [int(tag) for tag in tags].count(NOBODY) == 3
