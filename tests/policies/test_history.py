"""When a turn becomes the session's history, and how many may be live."""

import pytest
from helpers.kvtest import new_req
from helpers.rig import Rig

from policies.history import AtCreate, AtFinish
from sim.scheduler.session import Session


def session_with_turn():
    session = Session("s", tag=7, timeout=None, now=0.0, opened=1)
    first = new_req("s/1")
    first.session = session
    session.node = first
    return session, first


def turn(session, rid="s/2"):
    req = new_req(rid)
    req.session = session
    return req


def test_0_5_10_takes_any_turn_and_makes_it_the_history_at_once():
    session, first = session_with_turn()
    second = turn(session)
    assert AtCreate().refuse(session) is None
    AtCreate().created(session, second)
    assert (session.node, first.session, second.session) == (second, None, session)


def test_0_5_10_notes_nothing_when_a_turn_ends():
    session, first = session_with_turn()
    AtCreate().finished(session, turn(session))
    AtCreate().aborted(session)
    assert (session.node, first.session) == (first, session)


def test_22790_keeps_the_history_until_the_turn_finishes():
    session, first = session_with_turn()
    second = turn(session)
    AtFinish().created(session, second)
    assert (session.node, session.inflight) == (first, True)
    AtFinish().finished(session, second)
    assert (session.node, session.inflight, first.session) == (second, False, None)


def test_22790_refuses_a_turn_while_another_is_live():
    session, _ = session_with_turn()
    assert AtFinish().refuse(session) is None
    AtFinish().created(session, turn(session))
    assert AtFinish().refuse(session) == "Streaming session already has an active request."


def test_22790_keeps_the_history_of_the_last_turn_that_finished_when_one_is_aborted():
    session, first = session_with_turn()
    AtFinish().created(session, turn(session))
    AtFinish().aborted(session)
    assert (session.node, session.inflight) == (first, False)


def history_after(release, *, second, first_output=6):
    rig = Rig(release)
    rig.open("a")
    rig.run_turn("a/1", 20, first_output)
    second(rig)
    return rig.engine.snapshot().sessions[0].history


@pytest.mark.parametrize(("release", "history"), [("sglang-0.5.10", 2), ("sglang-0.5.11", 26)])
def test_a_turn_refused_on_arrival_replaces_the_history_in_0_5_10_only(release, history):
    assert history_after(release, second=lambda rig: rig.run_turn("a/2", 481, 4)) == history


@pytest.mark.parametrize(("release", "prompt"), [("sglang-0.5.10", 26 + 10 + 3), ("sglang-0.5.11", 1)])
def test_a_second_live_turn_continues_the_unfinished_one_in_0_5_10_and_is_refused_in_0_5_11(release, prompt):
    rig = Rig(release)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 8)
    rig.step(4)
    assert rig.request("a/2").out == 3
    rig.turn("a/3", 0, 4)
    assert rig.request("a/3").prompt_len == prompt


def test_a_retracted_turn_counts_as_finished_for_the_history():
    rig = Rig()
    rig.open("a")
    rig.turn("a/1", 20, 12)
    rig.step(5)
    rig.retract("a/1")
    (state,) = rig.engine.snapshot().sessions
    assert (state.inflight, state.history) == (False, 20 + rig.request("a/1").out)
