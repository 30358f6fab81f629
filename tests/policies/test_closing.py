"""Closing a session: its turn has ended, or is still in flight."""

import pytest
from helpers.kvtest import borrow, hold, new_scheduler
from helpers.rig import Rig

from policies.closing import Deferred, Immediate
from sim.scheduler.request import Finish

BOTH = [Immediate(), Deferred()]


def idle_session():
    scheduler = new_scheduler()
    hold(scheduler, "s")
    return scheduler, scheduler.controller.sessions["s"]


def running_session():
    scheduler, session = idle_session()
    session.node = borrow(scheduler, "s", "s/2")
    return scheduler, session


@pytest.mark.parametrize("closing", BOTH)
def test_an_idle_session_gives_back_its_row_and_its_six_private_slots(closing):
    scheduler, session = idle_session()
    closing.close(scheduler.controller, session)
    memory = scheduler.memory
    assert (memory.allocator.available(), memory.tree.evictable, memory.tree.protected) == (980, 20, 0)
    assert len(memory.rows.free) == 8
    assert scheduler.controller.sessions == {}
    assert scheduler.controller.closed == ["s"]


@pytest.mark.parametrize("closing", BOTH)
def test_the_last_turn_that_finished_is_detached(closing):
    scheduler, session = running_session()
    turn = session.node
    turn.finish = Finish("length")
    closing.close(scheduler.controller, session)
    assert session.name not in scheduler.controller.sessions
    assert (turn.session is None) is (isinstance(closing, Deferred))


def test_0_5_10_closes_under_an_unfinished_turn():
    scheduler, session = running_session()
    turn = session.node
    Immediate().close(scheduler.controller, session)
    assert (turn.session, scheduler.controller.sessions) == (None, {})
    assert scheduler.memory.allocator.available() == 980


def test_21875_only_marks_a_session_whose_turn_is_unfinished():
    scheduler, session = running_session()
    Deferred().close(scheduler.controller, session)
    assert session.close_on_finish
    assert "s" in scheduler.controller.sessions
    assert scheduler.memory.allocator.available() == 1000 - 26


def test_21875_defers_while_a_turn_is_live_that_is_not_yet_the_history():
    scheduler, session = idle_session()
    session.inflight = True
    Deferred().close(scheduler.controller, session)
    assert session.close_on_finish


def closed_in_flight(closing):
    rig = Rig(decide={"closing": closing})
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 40)
    rig.step(4)
    rig.close("a")
    rig.step()
    return rig


def test_a_close_in_flight_is_carried_out_after_the_turn_by_the_reaper():
    rig = closed_in_flight("deferred")
    rig.drain()
    assert "a" in rig.engine.scheduler.controller.sessions
    assert rig.advance(5.0) == ("a",)
    rig.drain()
    assert (rig.terms.session_held, rig.terms.delta, rig.kinds) == (0, 0, [])


def test_a_close_in_flight_frees_six_slots_in_use_in_0_5_10():
    rig = closed_in_flight("immediate")
    assert rig.terms.delta == 6
    assert rig.kinds[0] in ("double-free", "alias")


def test_21875_refuses_turns_of_a_closing_session():
    rig = closed_in_flight("deferred")
    rig.turn("a/3", 5, 5)
    assert rig.request("a/3").to_finish.message == "Invalid request: close was requested for session a"
