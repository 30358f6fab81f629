"""Opening, closing, time-outs, and the reaper that runs at most once a second."""

import pytest
from helpers.kvtest import hold, new_req, new_scheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scheduler.request import Finish

OLD, NEW = "sglang-0.5.10", "sglang-0.5.11"


def controller_of(release=NEW):
    return new_scheduler(release).controller


def sessions(controller):
    return sorted(controller.sessions)


def test_a_name_that_is_taken_is_refused_until_it_is_closed():
    controller = controller_of()
    assert controller.open("a", None, 0.0)
    assert not controller.open("a", 5.0, 0.0)
    controller.close("a")
    assert controller.open("a", None, 0.0)


def test_there_is_no_limit_to_open_sessions():
    controller = controller_of()
    assert all(controller.open(f"s{i}", None, 0.0) for i in range(2000))


def test_closing_a_session_that_does_not_exist_does_nothing():
    controller = controller_of()
    controller.close("ghost")
    assert controller.closed == []


# -- the pace ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "due"), [(0.5, False), (1.0, False), (1.001, True), (7.0, True)])
def test_a_pass_runs_when_more_than_a_second_has_passed(now, due):
    assert controller_of().due(now) is due


def test_two_passes_are_more_than_a_second_apart():
    controller = controller_of()
    controller.open("a", 0.1, 1.9)
    controller.reap(1.5)
    controller.reap(2.4)
    assert sessions(controller) == ["a"]
    controller.reap(2.6)
    assert sessions(controller) == []


# -- time-outs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "left"), [(34.9, ["a"]), (35.0, ["a"]), (35.1, [])])
def test_a_session_is_closed_when_it_was_silent_for_longer_than_its_time_out(now, left):
    controller = controller_of()
    controller.open("a", 30.0, 5.0)
    controller.reap(now)
    assert sessions(controller) == left


def test_a_turn_puts_the_time_out_off():
    controller = controller_of()
    controller.open("a", 10.0, 0.0)
    controller.sessions["a"].last_active = 8.0
    controller.reap(11.0)
    assert sessions(controller) == ["a"]
    controller.reap(18.5)
    assert sessions(controller) == []


def test_a_session_without_a_time_out_is_never_closed():
    controller = controller_of()
    controller.open("a", None, 0.0)
    controller.reap(1e9)
    assert sessions(controller) == ["a"]


def test_time_outs_of_one_pass_are_carried_out_in_the_order_of_opening():
    controller = controller_of()
    for name, timeout in (("late", 9.0), ("soon", 1.0), ("middle", 5.0)):
        controller.open(name, timeout, 0.0)
    controller.reap(20.0)
    assert controller.closed == ["late", "soon", "middle"]


def test_a_new_session_of_an_old_name_does_not_inherit_its_time_out():
    controller = controller_of()
    controller.open("a", 2.0, 0.0)
    controller.close("a")
    controller.open("a", 100.0, 1.0)
    controller.reap(50.0)
    assert sessions(controller) == ["a"]


def test_what_a_session_held_comes_back_with_its_time_out():
    scheduler = new_scheduler()
    scheduler.controller.open("s", 5.0, 0.0)
    hold(scheduler, "s")
    scheduler.controller.reap(6.0)
    assert scheduler.memory.allocator.available() == 980
    assert len(scheduler.memory.rows.free) == 8


@pytest.mark.parametrize(
    ("opened", "timeout", "now", "open_after"), [(4.49, 0.87, 5.36, False), (4.5, 0.5, 5.0, True)]
)
def test_the_difference_of_the_times_decides_to_the_last_bit(opened, timeout, now, open_after):
    controller = controller_of()
    controller.open("a", timeout, opened)
    controller.reap(now)
    assert sessions(controller) == (["a"] if open_after else [])
    controller.reap(now + 2)
    assert sessions(controller) == []


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_an_injected_time_out_is_seen_by_the_very_next_pass(timeout):
    controller = controller_of()
    controller.open("a", timeout, 0.0)
    controller.reap(2.0)
    controller.expire("a", 2.1)
    controller.reap(2.1)
    assert sessions(controller) == []


@given(st.lists(st.tuples(st.integers(0, 40), st.none() | st.integers(0, 30)), max_size=12),
       st.lists(st.integers(1, 90), max_size=8))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_passes_close_what_a_walk_over_all_sessions_would_close(opened, passes):
    controller, expected, closed = controller_of(), {}, []
    for i, (at, timeout) in enumerate(opened):
        controller.open(f"s{i}", timeout, float(at))
        expected[f"s{i}"] = (at, timeout)
    last = 0
    for now in sorted(passes):
        controller.reap(float(now))
        if now - last > 1:
            last = now
            late = [n for n, (at, timeout) in expected.items() if timeout is not None and now - at > timeout]
            closed += late
            for name in late:
                del expected[name]
        assert controller.closed == closed
        assert set(controller.sessions) == set(expected)


# -- closes that had to wait ------------------------------------------------------------------------------


def busy(controller, name, opened=0.0, timeout=None):
    """A session with a live turn."""
    controller.open(name, timeout, opened)
    session = controller.sessions[name]
    session.inflight = True
    return session


def ends(session):
    session.inflight = False
    session.node = new_req()
    session.node.finish = Finish("length")


def test_a_deferred_close_is_carried_out_by_the_pass_after_the_turn_ended():
    controller = controller_of()
    session = busy(controller, "a")
    session.node = new_req()
    controller.close("a")
    controller.reap(2.0)
    assert (sessions(controller), session.close_on_finish) == (["a"], True)
    ends(session)
    controller.reap(4.0)
    assert sessions(controller) == []


def test_deferred_closes_are_carried_out_in_the_order_of_opening_and_before_time_outs():
    controller = controller_of()
    controller.open("idle", 1.0, 0.0)
    first, second = busy(controller, "first"), busy(controller, "second")
    controller.close("second")
    controller.close("first")
    ends(first)
    ends(second)
    controller.reap(5.0)
    assert controller.closed == ["first", "second", "idle"]


def test_a_session_without_history_whose_turn_is_live_is_deferred_again_and_again():
    controller = controller_of()
    session = busy(controller, "a")
    controller.close("a")
    for now in (2.0, 4.0, 6.0):
        controller.reap(now)
        assert (sessions(controller), session.close_on_finish) == (["a"], True)
    session.inflight = False
    controller.reap(8.0)
    assert sessions(controller) == []


def test_a_time_out_in_flight_is_deferred_in_0_5_11():
    controller = controller_of()
    session = busy(controller, "a", timeout=5.0)
    controller.reap(6.0)
    assert (sessions(controller), session.close_on_finish) == (["a"], True)
    ends(session)
    controller.reap(8.0)
    assert sessions(controller) == []


def test_a_time_out_in_flight_closes_at_once_in_0_5_10():
    controller = controller_of(OLD)
    controller.open("a", 5.0, 0.0)
    controller.sessions["a"].node = turn = new_req()
    turn.session = controller.sessions["a"]
    controller.reap(6.0)
    assert (sessions(controller), turn.session) == ([], None)


# -- when a pass could find something ---------------------------------------------------------------------


def test_without_time_outs_and_deferred_closes_there_is_nothing_to_wait_for():
    controller = controller_of()
    controller.open("a", None, 0.0)
    assert controller.next_reap() is None


def test_the_next_pass_is_due_just_after_the_soonest_time_out():
    controller = controller_of()
    controller.open("a", 30.0, 0.0)
    controller.open("b", 12.0, 3.0)
    assert 15.0 < controller.next_reap() < 15.001


def test_it_is_never_due_within_a_second_of_the_last():
    controller = controller_of()
    controller.reap(10.0)
    controller.open("a", 0.25, 10.0)
    assert 11.0 < controller.next_reap() < 11.001


def test_a_deferred_close_that_can_be_carried_out_is_due_with_the_next_pass():
    controller = controller_of()
    controller.reap(10.0)
    session = busy(controller, "a")
    session.node = new_req()
    controller.close("a")
    assert controller.next_reap() is None
    ends(session)
    assert 11.0 < controller.next_reap() < 11.001


@given(st.floats(0.01, 50), st.floats(0, 50))
def test_the_pass_it_announces_finds_the_session(timeout, opened):
    controller = controller_of()
    controller.open("a", timeout, opened)
    at = controller.next_reap()
    controller.reap(at)
    assert sessions(controller) == []
