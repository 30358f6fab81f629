"""When the reaper of a release could next find something to do."""

from types import SimpleNamespace

import pytest

from sim.engines.sglang.events import Removals
from sim.engines.sglang.interventions import expire
from sim.engines.sglang.reaper import Reaper


class Controller:
    """As the release's: one pass a second at most; deferred closes, then time-outs."""

    def __init__(self):
        self.sessions = Removals()
        self._last_reap_time = 0.0

    def maybe_reap(self, now):
        if now - self._last_reap_time <= 1.0:
            return
        self._last_reap_time = now
        for name, session in list(self.sessions.items()):
            ended = session.close_on_finish and not session._inflight
            if ended or (session.timeout is not None and now - session.last_active_time > session.timeout):
                del self.sessions[name]


@pytest.fixture
def controller():
    return Controller()


@pytest.fixture
def reaper(controller):
    return Reaper(controller)


@pytest.fixture
def opened(controller, reaper):
    def make(name, timeout, last=0.0):
        session = controller.sessions[name] = SimpleNamespace(
            session_id=name, timeout=timeout, last_active_time=last, close_on_finish=False, _inflight=False,
            req_nodes={},
        )  # fmt: skip
        reaper.opened(name)
        return session

    return make


def test_nothing_to_do_without_time_outs(reaper, opened):
    opened("a", None)
    assert reaper.next() is None


def test_a_time_out_is_due_just_after_it_and_a_second_after_the_last_pass(reaper, opened, controller):
    opened("a", 3.0)
    assert reaper.next() == pytest.approx(3.0, abs=1e-6)
    controller._last_reap_time = 2.5
    assert reaper.next() == pytest.approx(3.5, abs=1e-6)


def test_a_pass_names_what_it_closed_in_order(reaper, opened):
    opened("a", 3.0)
    opened("b", 1.0)
    assert not reaper.due(1.0)
    assert reaper.due(1.5)
    assert reaper.reap(1.5) == ("b",)
    assert reaper.reap(4.5) == ("a",)
    assert reaper.next() is None


def test_a_session_that_was_active_since_is_awaited_anew(reaper, opened):
    session = opened("a", 1.0)
    session.last_active_time = 1.0
    assert reaper.reap(1.5) == ()
    assert reaper.next() == pytest.approx(2.5, abs=1e-6)


def test_a_close_put_off_is_due_once_its_turn_has_ended(reaper, opened):
    session = opened("a", None)
    session.close_on_finish = session._inflight = True
    reaper.closed("a")
    assert reaper.next() is None
    session._inflight = False
    assert reaper.next() == pytest.approx(1.0, abs=1e-6)
    assert reaper.reap(2.0) == ("a",)
    assert reaper.next() is None


def test_closing_by_request_is_not_told_as_reaped(reaper, opened, controller):
    opened("a", None)
    del controller.sessions["a"]
    reaper.closed("a")
    assert reaper.reap(2.0) == ()


def test_expiring_makes_the_next_pass_due_and_close_it(controller, reaper, opened):
    opened("a", None, last=9.9)
    controller._last_reap_time = 9.5
    assert expire(SimpleNamespace(session_controller=controller), "a", 10.0)
    reaper.opened("a")
    assert reaper.due(10.0)
    assert reaper.reap(10.0) == ("a",)
    assert not expire(SimpleNamespace(session_controller=controller), "a", 10.0)


def test_a_time_out_that_rounds_to_now_is_looked_at_once_and_awaited_anew(reaper, opened, controller):
    opened("a", 0.87, last=0.02)
    controller._last_reap_time = -0.5
    assert reaper.reap(0.89) == ()
    assert reaper.next() == pytest.approx(1.89, abs=1e-6)
