"""Memory that runs out: who is retracted, who is aborted, and what the releases raise."""

import pytest
from helpers.rig import Rig

from sim.config import TestRetractConfig
from sim.driver import Over


def crash_of(rig, steps=50):
    """The message of the crash into which the next iterations run."""
    with pytest.raises(Over):
        rig.step(steps)
    return str(rig.driver.crashed)


# -- memory runs out (§2.5, §2.6) ----------------------------------------------------------------------------


def test_the_request_with_the_fewest_tokens_is_retracted_and_queued_last():
    """2 × (10 + 12) do not fit into 40; admission that expects one token more lets both in."""
    rig = Rig(tokens=40, clip_max_new_tokens=1, overlap=False, retract_steps=0)
    rig.send("r", 10, 12)
    rig.step(2)
    rig.send("s", 10, 12)
    while not rig.step().retracted:
        assert rig.engine.running == 2 or rig.reports[-1].kind == "prefill"
    assert rig.reports[-1].retracted == ("s",)
    assert rig.engine.snapshot().waiting == ("s",)
    rig.drain()
    assert [rig.engine.progress(rid).decoded for rid in "rs"] == [12, 12]
    assert rig.verdicts == []


def test_the_last_request_is_aborted_if_even_alone_it_does_not_fit():
    """An idle session keeps 24 of 40; 10 + 15 do not fit into the rest. Its prompt stays in the tree."""
    rig = Rig(tokens=40, clip_max_new_tokens=1, overlap=False)
    rig.open("a")
    rig.run_turn("a/1", 20, 5)
    rig.send("r", 10, 15)
    rig.drain()
    assert rig.engine.progress("r").state == "aborted"
    assert rig.terms == (6, 10, 20, 4, 0, 40)
    assert rig.verdicts == []


def test_retracting_a_turn_frees_nothing():
    """Its KV moves to the slot: two turns that do not fit together end with one of them aborted."""
    rig = Rig(tokens=40, clip_max_new_tokens=1, overlap=False, retract_steps=0)
    for name in "ab":
        rig.open(name)
        rig.turn(f"{name}/1", 10, 15)
    rig.drain()
    assert sorted(rig.engine.progress(f"{name}/1").state for name in "ab") != ["finished", "finished"]
    assert rig.terms.delta == 0


@pytest.mark.parametrize(("named", "retracted"), [(None, ("r",)), ("nobody", ("r",)), ("a/1", ("a/1", "r"))])
def test_a_forced_retract_leaves_room_for_the_next_step(named, retracted):
    """40 of 40 tokens are in use: whoever is named, the scheduler's own choice follows if that frees too little."""
    rig = Rig(tokens=40, clip_max_new_tokens=1, overlap=False, retract_steps=0)
    rig.open("a")
    rig.turn("a/1", 12, 9)
    rig.send("r", 12, 9)
    rig.send("s", 4, 9)
    while rig.terms.available:
        assert not rig.step().retracted
    if named is not None:
        rig.retract(named, how="memory")
    assert rig.step().retracted == retracted
    rig.drain()
    assert rig.verdicts == []


def test_a_forced_retract_of_nobody_is_an_ordinary_step():
    rig = Rig(overlap=False)
    rig.send("r", 10, 9)
    rig.step(2)
    rig.retract("nobody", how="memory")
    report = rig.step()
    assert (report.kind, report.retracted) == ("decode", ())
    assert rig.engine.scheduler.forced is None


def test_testing_retract_takes_place_every_so_many_passes():
    rig = Rig(test_retract=TestRetractConfig(interval=3), overlap=False)
    rig.send("r", 10, 9)
    rig.send("s", 10, 9)
    rig.step(4)
    assert [len(report.retracted) for report in rig.reports] == [0, 0, 0, 1]


def test_the_ratio_decays_with_each_decode_step_and_starts_anew_when_idle():
    """0.7, less (0.7 − 0.098) / 600 a step; the prefill does not count."""
    rig = Rig(overlap=False)
    rig.send("r", 20, 4)
    ratios = []
    for _ in range(5):
        rig.step()
        ratios.append(round(rig.engine.scheduler.ratio, 6))
    assert ratios == [0.7, 0.698997, 0.697993, 0.69699, 0.7]


def test_a_higher_priority_takes_the_place_of_a_lower_one():
    rig = Rig(max_running=1, priority=True, preemption=True, low_priority_first=True, overlap=False)
    rig.send("low", 10, 9, priority=20)
    rig.step(3)
    rig.send("high", 10, 2, priority=0)
    report = rig.step()
    assert (report.kind, report.retracted) == ("prefill", ("low",))
    assert rig.engine.snapshot().waiting == ("low",)
    rig.drain()
    assert rig.engine.progress("low").decoded == 9
    assert rig.verdicts == []


# -- what raises ----------------------------------------------------------------------------------------------


def test_rows_that_idle_sessions_hold_are_missing_at_the_next_prefill():
    rig = Rig(rows=2)
    for name in "ab":
        rig.open(name)
        rig.run_turn(f"{name}/1", 5, 2)
    rig.send("r", 5, 2)
    assert crash_of(rig).startswith("RuntimeError: alloc_req_slots runs out of memory.")


def test_a_prompt_that_is_too_long_makes_room_that_is_not_there():
    """Both releases: its output length becomes 68 − 200 − 1 = −133, and admission adds the 133 to what is left."""
    rig = Rig(tokens=69, context=96)
    rig.send("long", 200, 3)
    rig.send("r", 40, 3)
    rig.send("s", 40, 3)
    assert crash_of(rig).startswith("RuntimeError: Out of memory.")
    assert [(v.verdict, v.invariant) for v in rig.verdicts] == [("crash", "INV-8")]


def test_a_one_token_turn_retracted_before_its_first_token_cannot_be_taken_up_again():
    """0.5.11: its slot has c = 1, the key of one token less is empty, so c becomes 0 while the row stays."""
    rig = Rig(overlap=True)
    rig.open("a")
    rig.send("o", 5, 30)
    rig.step(2)
    rig.turn("a/1", 1, 9)
    rig.step()
    rig.retract("a/1", how="memory")
    assert crash_of(rig, 3) == "AssertionError: reusing request must be chunked or have committed KV"


def test_an_output_length_below_zero_may_divide_by_zero():
    """Both releases: the survivor of a retract may decode 63 − 63 − 1 = −1 tokens, and the ratio divides by −1 + 1."""
    rig = Rig(context=64)
    rig.send("r", 5, 9)
    rig.send("long", 63, 9)
    rig.step()
    rig.retract("r", how="memory")
    assert crash_of(rig, 1) == "ZeroDivisionError: division by zero"


def test_an_assertion_without_a_word_names_its_place():
    """Without a tree a turn that ignores EOS and must be split is longer than it says."""
    rig = Rig(tokens=100, chunked_prefill=16, overlap=False, radix=False)
    rig.open("a")
    rig.run_turn("a/1", 10, 4)
    rig.turn("a/2", 20, 4, ignore_eos=True)
    assert crash_of(rig, 1) == "AssertionError: "
    assert rig.driver.crashed.frames == ("prepare_for_extend",)
