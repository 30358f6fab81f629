"""The bonus slot of a speculative round under overlap, and the gate before it."""

import pytest
from helpers.rig import Rig

from policies.reserve import Late, Preclaimed
from sim.config import SpeculativeConfig


def test_22651_claims_one_slot_ahead_and_takes_the_gate_away():
    assert (Late().preclaim, Late().gated) == (0, True)
    assert (Preclaimed().preclaim, Preclaimed().gated) == (1, False)


@pytest.mark.parametrize(
    ("release", "overlap", "speculative", "opens"),
    [
        ("sglang-0.5.10", True, SpeculativeConfig(), False),
        ("sglang-0.5.10", False, SpeculativeConfig(), True),
        ("sglang-0.5.10", True, None, True),
        ("sglang-0.5.11", True, SpeculativeConfig(), True),
    ],
)
def test_0_5_10_opens_no_session_with_speculation_under_overlap(release, overlap, speculative, opens):
    rig = Rig(release, overlap=overlap, speculative=speculative, session_gate=True)
    assert rig.engine.open("a") is opens


@pytest.mark.parametrize(("variant", "c", "a"), [("preclaimed", 32, 36), ("late", 31, 35)])
def test_the_worked_run_ends_with_these_cursors(variant, c, a):
    rig = Rig(decide={"reserve": variant, "overshoot": "kept"}, speculative=SpeculativeConfig())
    rig.open("a")
    rig.run_turn("a/1", 20, 12, accept=(3, 4, 4))
    slot = rig.slot("a")
    assert (slot.committed, slot.allocated) == (c, a)


@pytest.mark.parametrize(("variant", "prefilled"), [("preclaimed", 5), ("late", 6)])
def test_without_the_bonus_slot_the_next_turn_computes_one_token_again(variant, prefilled):
    rig = Rig(decide={"reserve": variant}, speculative=SpeculativeConfig())
    rig.open("a")
    rig.run_turn("a/1", 20, 12, accept=(3, 4, 4))
    rig.turn("a/2", 5, 4)
    assert rig.step().prefill_tokens == prefilled
    rig.drain()
    assert rig.terms.delta == 0
