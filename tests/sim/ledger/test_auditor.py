"""Books, ledger and canary compared after every event: which verdict, since when, and who else sees it."""

import pytest
from helpers.rig import Rig

from sim.config import MambaConfig, SpeculativeConfig, SwaConfig
from sim.driver import Over
from sim.engines.protocol import Request
from sim.world import Segment

SPEC = SpeculativeConfig(steps=3, topk=1, draft=4)


def of_kind(rig, *kinds):
    return [v for v in rig.verdicts if v.verdict in kinds]


def two_turns(rig, prompt=10):
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.run_turn("a/2", prompt, 4)
    return rig


def retracted(rig, rest=lambda: None):
    """A turn of 20 + 8 tokens, taken back after its second token and taken up again."""
    rig.open("a")
    rig.turn("a/1", 20, 8)
    rig.step(4)
    rig.retract("a/1")
    rest()
    rig.drain()
    return rig


# -- false alarms -------------------------------------------------------------------------------------------


def test_22753_reverted_is_a_false_alarm_and_nothing_is_lost():
    """6 private tokens of the borrowed slot stand in session_held and in uncached."""
    rig = two_turns(Rig(revert=[22753]))
    (alarm,) = rig.verdicts
    assert (alarm.verdict, alarm.pool, alarm.size, alarm.invariant) == ("false-alarm", "full", 6, "INV-1")
    assert (alarm.request, alarm.session) == ("a/2", "a")
    assert "6 in session_held (a)" in alarm.cause.what
    assert rig.auditor.loss() == (0, 0)


def test_the_release_that_counts_right_has_no_alarm():
    rig = two_turns(Rig())
    assert rig.verdicts == []
    assert rig.auditor.loss() == (0, 0)


def test_a_false_alarm_that_changes_its_size_is_a_new_verdict_and_one_that_ends_is_none():
    """0.5.10: turn 1 just finished (+6), turn 2 borrows (+6), turn 2 just finished (+20)."""
    rig = two_turns(Rig("sglang-0.5.10"))
    assert [(v.verdict, v.size) for v in rig.verdicts] == [("false-alarm", n) for n in (6, 6, 20)]
    assert rig.terms.delta == 0


def test_a_false_alarm_does_not_hide_a_loss_in_the_same_event():
    """0.5.10, speculation under overlap: turn 2 overwrites 4 slots, and 16 held ones count twice: +12."""
    rig = Rig("sglang-0.5.10", speculative=SPEC)
    rig.open("a")
    rig.run_turn("a/1", 20, 12, accept=(3, 4, 4))
    rig.turn("a/2", 1, 6, accept=(3, 4, 4))
    rig.step()
    assert rig.terms.delta == 12
    assert [(v.verdict, v.size) for v in rig.verdicts[1:]] == [("leak", -4), ("false-alarm", 16)]
    assert rig.auditor.loss() == (4, 0)


# -- losses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [True, False])
def test_22862_reverted_is_a_leak_of_one_slot_for_each_retract(overlap):
    rig = retracted(Rig(revert=[22862], overlap=overlap))
    (leak,) = rig.verdicts
    assert (leak.verdict, leak.pool, leak.size, leak.session) == ("leak", "full", -1, "a")
    assert rig.auditor.loss() == (1, 0)
    rig.close("a")
    rig.drain()
    assert rig.terms.delta == -1


def test_a_leak_has_one_verdict_however_long_it_lasts():
    rig = retracted(Rig(revert=[22862]))
    rig.run_turn("a/2", 10, 4)
    rig.send("r", 50, 9)
    rig.drain()
    rig.auditor.finish()
    assert rig.kinds == ["leak"]


def test_the_cause_of_a_leak_is_the_prefill_that_overwrote_the_row():
    rig = retracted(Rig(revert=[22862]))
    (leak,) = rig.verdicts
    assert "row 1 was overwritten from 22 on; nothing names 1 slot of session a" in leak.cause.what
    assert (leak.cause.op, leak.cause.count, leak.cause.request) == ("step", 1, "a/1")
    assert leak.cause.event == leak.event == 8
    assert leak.cause.iteration == leak.iteration == 5


def refused_second(rig, first, tokens):
    """Turn a/1 is to give `tokens` more, and a refused turn has cleared the mark that it is in flight."""
    rig.open("a")
    rig.turn("a/1", first, tokens)
    rig.step()
    rig.turn("a/2", 5, 1)
    rig.step()
    return rig


def test_the_cause_of_a_leak_says_who_else_ran_on_the_row():
    rig = Rig(overlap=False)
    rig.open("a")
    rig.run_turn("a/1", 10, 3)
    rig.turn("a/2", 5, 9)
    rig.turn("a/3", 5, 1)
    rig.step()
    rig.turn("a/4", 5, 1)
    rig.step()
    assert rig.verdicts[0].cause.what == (
        "row 1 was overwritten from 12 on, while request a/2 ran on it; nothing names 6 slots of session a any more"
    )


def test_kv_of_an_earlier_session_of_the_same_name_is_told_as_such():
    rig = refused_second(Rig(overlap=False), 10, 4)
    rig.close("a")
    rig.open("a")
    rig.step(4)
    rig.turn("a/3", 20, 1)
    rig.step()
    assert "; slot 1 of an earlier session holds " in of_kind(rig, "corrupt")[0].cause.what


def test_kv_of_what_was_said_after_a_turn_was_made_is_told_as_such():
    rig = refused_second(Rig(overlap=False, radix=False), 10, 4)
    rig.turn("a/3", 20, 1)
    rig.refuse("a/3")
    rig.step(8)
    assert "; slot 1 of a turn that ended later holds " in of_kind(rig, "corrupt")[0].cause.what


def test_output_where_the_rest_of_a_prompt_should_be_is_told_as_such():
    """Two prompts are split in one prefill, and the first is never read to its end."""
    rig = Rig(overlap=False, radix=False, page_size=4, tokens=256, chunked_prefill=16, mixed_chunk=True)
    rig.engine.scheduler.memory.ledger.touched = 1
    rig.send("r", 1, 20)
    rig.step()
    rig.submit(Request(rid="s", prompt=(Segment(name="x", length=22),), max_new=6))
    rig.send("t", 21, 6, ignore_eos=True)
    rig.drain()
    (corrupt,) = [v for v in of_kind(rig, "corrupt") if v.request == "s"]
    assert corrupt.cause.what.startswith("position 12 of request s should hold token ")
    assert " that it wrote itself holds " in corrupt.cause.what


def test_closing_a_session_in_flight_frees_what_its_turn_still_reads():
    """22790 and 21875 taken out: 6 slots and a row are free while the turn works on them."""
    rig = Rig(decide={"closing": "immediate"})
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 8)
    rig.step(3)
    closing = rig.event + 1
    rig.close("a")
    (alias,) = of_kind(rig, "alias")
    assert (alias.size, alias.session, alias.cause.op, alias.cause.event) == (6, "a", "close", closing)
    assert rig.auditor.loss() == (0, 6)


def test_closing_in_flight_on_0_5_10_ends_in_a_crash():
    """The turn gives back what was given back when its session closed: the same cause, no verdict of its own."""
    rig = Rig("sglang-0.5.10")
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 8)
    rig.step(3)
    rig.close("a")
    with pytest.raises(Over):
        rig.drain()
    assert [v.verdict for v in rig.verdicts if v.verdict != "false-alarm"] == ["alias", "crash"]
    assert rig.verdicts[-1].detected_by == "crash"


def test_a_running_turn_that_is_aborted_as_if_it_were_a_request_of_its_own():
    """22790 taken out: the abort frees [p, a) of the row and the row itself, both of which the slot still names."""
    rig = Rig(revert=[22790])
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 8)
    rig.step(3)
    rig.abort("a/2")
    rig.drain()
    assert [(v.verdict, v.pool, v.size) for v in rig.verdicts] == [("alias", "full", 6), ("alias", "rows", 1)]


def test_an_abort_that_saves_the_slot_is_not_clean():
    """0.5.10: the slot takes the aborted turn over, which then counts in session_held and in uncached."""
    rig = Rig("sglang-0.5.10")
    rig.open("a")
    rig.turn("a/1", 20, 6)
    rig.step(3)
    rig.abort("a/1")
    rig.drain()
    assert [(v.verdict, v.size, v.request) for v in rig.verdicts] == [("false-alarm", 3, "a/1")]
    (state,) = rig.engine.snapshot().sessions
    assert (state.a, state.history) == (23, 23)


def test_an_abort_that_saves_the_slot_alone_taints_the_next_turn():
    """0.5.11 with that one decision: every count balances, but turn 3 is made from 13 tokens that were aborted."""
    rig = Rig(decide={"abort": "save"})
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 8)
    rig.step(3)
    rig.abort("a/2")
    rig.drain()
    assert rig.verdicts == []
    rig.turn("a/3", 10, 4)
    (corrupt,) = rig.verdicts
    assert (corrupt.verdict, corrupt.invariant, corrupt.size) == ("corrupt", "INV-11", 13)
    assert (corrupt.request, corrupt.session, corrupt.detected_by) == ("a/3", "a", "never")


@pytest.mark.parametrize("queued", [True, False])
def test_on_0_5_11_a_turn_that_was_retracted_stays_in_the_history_if_it_is_aborted(queued):
    """A retract ends a turn for its session, and the abort that follows wipes its KV but not its text."""
    rig = Rig(overlap=False)
    rig.open("a")
    rig.turn("a/1", 20, 9)
    rig.step(3)
    rig.retract("a/1")
    if not queued:
        rig.step(2)
    rig.abort("a/1")
    rig.drain()
    assert rig.verdicts == []
    rig.turn("a/2", 5, 2)
    (corrupt,) = rig.verdicts
    assert (corrupt.invariant, corrupt.size) == ("INV-11", 23 if queued else 26)


# -- what nobody else sees ----------------------------------------------------------------------------------


def test_a_loss_over_which_the_books_balance_is_silent():
    """0.5.11: a retracted turn does not count as live, so a second one is admitted with it, onto the same row."""
    rig = Rig(page_size=16, tokens=1024)
    rig.open("b")
    rig.turn("b/1", 16, 9)
    rig.step()
    rig.retract("b/1")
    rig.turn("b/2", 16, 2)
    rig.step()
    assert rig.terms.delta == 0
    (silent,) = of_kind(rig, "silent")
    assert (silent.size, silent.pool, silent.invariant) == (-16, "full", "INV-3")
    assert silent.message.startswith("leak: ")
    assert rig.auditor.loss() == (16, 0)


def test_a_slot_lost_within_a_page_that_is_still_held_costs_nothing():
    """22862 reverted at page size 16: the resumed prefill writes into the same page."""
    rig = retracted(Rig(revert=[22862], page_size=16, tokens=1024))
    assert rig.verdicts == []
    assert rig.auditor.loss() == (0, 0)


def test_overshoot_that_stays_is_read_as_kv_of_other_text():
    """22897 reverted: turn 1 stops at 10 tokens, its last round computed 13; turn 2 begins 3 positions too late."""
    rig = Rig(revert=[22897], speculative=SPEC)
    rig.open("a")
    rig.run_turn("a/1", 20, 10, accept=(4,))
    assert rig.slot("a").committed == 33
    rig.run_turn("a/2", 10, 6, accept=(4,))
    (corrupt,) = rig.verdicts
    assert (corrupt.verdict, corrupt.size, corrupt.request, corrupt.invariant) == ("corrupt", 3, "a/2", "INV-6")
    assert corrupt.message.startswith("position 30 of request a/2 should hold token")
    assert corrupt.detected_by == "never"


def test_overshoot_that_is_trimmed_is_not_read():
    rig = Rig(speculative=SPEC)
    rig.open("a")
    rig.run_turn("a/1", 20, 10, accept=(4,))
    assert rig.slot("a").committed == 30
    rig.run_turn("a/2", 10, 6, accept=(4,))
    assert rig.verdicts == []


def test_wrong_kv_has_one_verdict_however_often_it_is_read():
    rig = Rig(audit="event")
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    memory, slot = rig.engine.scheduler.memory, rig.slot("a")
    memory.kv.headers[memory.rows.read(slot.row, 22, 24)] += 1
    for turn in (2, 3):
        rig.run_turn(f"a/{turn}", 4, 2)
    rig.auditor.finish()
    assert [(v.verdict, v.size) for v in rig.verdicts] == [("corrupt", 2)]


# -- cursors and bounds -------------------------------------------------------------------------------------


def test_an_over_long_turn_on_0_5_10_leaves_a_slot_whose_prefix_is_longer_than_it():
    """It is lent the slot, writes one token over row[0], and is saved with c = a = 2 under p = 20."""
    rig = Rig("sglang-0.5.10", context=64)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.run_turn("a/2", 60, 6)
    marks = of_kind(rig, "watermark")
    assert [(v.invariant, v.request, v.session) for v in marks] == [("INV-4", "a/2", "a"), ("INV-4", None, "a")]
    assert "p=20, c=2, a=2" in marks[1].message
    assert rig.slot("a").committed < rig.slot("a").protected
    assert rig.terms.session_held == -18


def test_session_held_and_uncached_may_not_exceed_the_pool():
    """22753 reverted: 24 tokens held of 40, and the turn that borrows them owns 26: 50."""
    rig = Rig(revert=[22753], tokens=40, radix=False)
    rig.open("a")
    rig.run_turn("a/1", 20, 5)
    rig.turn("a/2", 1, 4)
    rig.step()
    assert (rig.terms.session_held, rig.terms.uncached, rig.terms.total) == (25, 26, 40)
    over = [v for v in rig.verdicts if v.invariant == "INV-2"]
    assert [(v.verdict, v.size) for v in over] == [("false-alarm", 11)]


# -- crash and stuck ----------------------------------------------------------------------------------------


def test_a_second_turn_on_0_5_10_ends_in_a_crash():
    rig = Rig("sglang-0.5.10")
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 8)
    rig.step()
    rig.turn("a/3", 10, 8)
    with pytest.raises(Over):
        rig.drain()
    crash = rig.verdicts[-1]
    assert (crash.verdict, crash.invariant, crash.detected_by) == ("crash", "INV-3", "crash")
    assert "'_VirtualNode' object has no attribute 'lock_ref'" in crash.message


def test_a_prefill_without_a_row_is_a_crash_that_admission_should_have_prevented():
    rig = Rig(rows=1)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.send("r", 5, 2)
    with pytest.raises(Over):
        rig.step()
    crash = rig.verdicts[-1]
    assert (crash.verdict, crash.invariant, crash.pool) == ("crash", "INV-8", "rows")
    assert "alloc_req_slots runs out of memory" in crash.message


def test_what_was_allocated_when_the_scheduler_died_is_no_leak_beside_a_misread_state():
    """The state goes on where it should not, and the prefill that reads it dies before it is written down."""
    mamba = MambaConfig(slots=3, strategy="extra_buffer", track_interval=16, chunk=8)
    rig = Rig(tokens=64, page_size=16, rows=1, mamba=mamba, max_running=1, overlap=True, speculative=SPEC)
    rig.open("a")
    rig.turn("a/1", 1, 1, accept=4)
    rig.step(3)
    rig.turn("a/2", 24, 1)
    with pytest.raises(Over):
        rig.step()
    assert [v.verdict for v in rig.verdicts] == ["corrupt", "crash"]


def test_stuck_names_the_first_request_that_waits():
    rig = Rig(tokens=100)
    rig.open("a")
    rig.run_turn("a/1", 60, 9)
    rig.send("r", 40, 9)
    rig.drain()
    verdict = rig.auditor.stuck("1 request waits, nothing runs")
    assert (verdict.verdict, verdict.invariant, verdict.request, verdict.size) == ("stuck", "INV-9", "r", 1)
    assert rig.kinds == ["stuck"]


@pytest.mark.parametrize(
    ("release", "swa", "pool"),
    [
        ("sglang-0.5.11", (50, 60), "swa"), ("sglang-0.5.10", (45, 8), "swa"), ("sglang-0.5.11", (100, 8), "full"),
        ("sglang-0.5.10", (100, 8), "full"),
    ],
)
def test_stuck_names_the_pool_in_which_the_last_attempt_found_no_room(release, swa, pool):
    rig = Rig(release, tokens=100, swa=SwaConfig(tokens=swa[0], window=swa[1]))
    if pool == "full":
        rig.open("a")
        rig.run_turn("a/1", 60, 9)
    rig.send("r", 40, 9)
    rig.drain()
    verdict = rig.auditor.stuck("1 request waits")
    assert (verdict.pool, verdict.size) == (pool, 1)
    assert verdict.message.startswith(f"1 request waits: admission finds no room in the {pool} pool; ")


def test_stuck_blames_no_pool_where_none_was_short():
    rig = Rig()
    rig.refuse("r")
    rig.send("r", 20, 8)
    rig.drain()
    verdict = rig.auditor.stuck("1 request waits")
    assert (verdict.pool, verdict.size) == ("full", 1)
    assert verdict.message.startswith("1 request waits; available ")


# -- detection ----------------------------------------------------------------------------------------------


def test_the_busy_check_sees_a_leak_in_the_iteration_that_makes_it():
    rig = retracted(Rig(revert=[22862]))
    (leak,) = rig.verdicts
    assert (leak.detected_by, leak.detected_event, leak.latency_events) == ("busy check", leak.cause.event, 0)


def test_without_the_busy_check_the_idle_check_sees_it_later():
    rig = retracted(Rig(revert=[22862], busy_check=0))
    (leak,) = rig.verdicts
    assert leak.detected_by == "idle check"
    assert leak.latency_events == leak.detected_event - leak.cause.event > 0
    assert leak.detected_iteration == rig.reports[leak.detected_event - 4].iteration


def test_without_the_busy_check_and_an_idle_moment_nobody_sees_it():
    rig = Rig(revert=[22862], busy_check=0)
    rig.send("r", 5, 200)
    rig.open("a")
    rig.turn("a/1", 20, 8)
    rig.step(4)
    rig.retract("a/1")
    rig.step(60)
    (leak,) = rig.verdicts
    assert (leak.detected_by, leak.detected_event, leak.latency_events) == ("never", None, None)


def test_a_false_alarm_that_only_a_busy_check_could_raise_is_never_seen_without_it():
    rig = two_turns(Rig(revert=[22753], busy_check=0))
    assert [v.detected_by for v in rig.verdicts] == ["never"]


def test_a_check_that_is_deadly_ends_the_run():
    with pytest.raises(Over):
        two_turns(Rig(revert=[22753], idle_check="raise"))


# -- what is audited when -----------------------------------------------------------------------------------


@pytest.mark.parametrize("audit", ["event", "step", "idle"])
def test_how_often_it_recounts_does_not_change_what_is_found(audit):
    rig = retracted(Rig(revert=[22862], audit=audit))
    rig.auditor.finish()
    assert [(v.verdict, v.size, v.event) for v in rig.verdicts] == [("leak", -1, 8)]


def test_it_counts_its_checks_and_keeps_the_books_of_the_last_event():
    rig = two_turns(Rig())
    assert rig.auditor.checks == rig.event
    assert rig.auditor.books() == {"full": rig.terms}
