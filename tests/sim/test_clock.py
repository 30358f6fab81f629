"""The world in simulated time: who acts when, and when it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.alarm import Alarm
from sim.clock import BARREN, PATIENCE, Clock
from sim.config import LatencyConfig, PoolConfig, RunConfig, SchedulerConfig
from sim.driver import Driver
from sim.injections import Injections
from sim.scenario.distributions import Constant, Exponential, Uniform
from sim.scenario.model import (
    Bursty,
    Fleet,
    Injection,
    Poisson,
    ScriptedSession,
    SingleRequest,
    Trigger,
    Turn,
    Until,
)

CONFIG = RunConfig(
    pool=PoolConfig(tokens=1000),
    latency=LatencyConfig(prefill_base=0.01, prefill_per_token=0.0, decode_base=0.01, decode_per_request=0.0),
)


@pytest.fixture
def play(tiny_engine):
    """Runs a workload; gives the engine and the clock afterwards."""

    def run(*workload, inject=(), until=None, engine=None, auditor=None, config=CONFIG):
        engine = engine or tiny_engine()
        driver = Driver(engine, auditor(engine) if auditor else None)
        clock = Clock(driver, config, workload=workload, injections=Injections(inject, config), until=until)
        clock.run()
        return engine, clock

    return run


def turn(rid, prompt=20, output=3, **fields):
    return Turn(rid=rid, prompt=prompt, output=output, **fields)


def inject(action, target, kind, value=0, rid=None, **fields):
    return Injection(action=action, target=target, trigger=Trigger(kind=kind, value=value, rid=rid), **fields)


def times(engine, kind):
    return {name: time for op, name, time in engine.calls if op == kind}


def test_a_scripted_session_opens_and_sends_its_first_turn_at_its_time(play):
    engine, _ = play(ScriptedSession(name="a", open=1.5, turns=(turn("a/1"),)))
    assert engine.calls == [("open", "a", 1.5), ("submit", "a/1", 1.5)]


def test_the_next_turn_waits_for_the_end_of_the_last_iteration_and_for_think_time(play):
    # a/1: prefill 0.00–0.01, then three decode steps; the last begins at 0.03 and ends at 0.04.
    engine, _ = play(ScriptedSession(name="a", turns=(turn("a/1"), turn("a/2", think=0.5))))
    assert times(engine, "submit")["a/2"] == pytest.approx(0.54)


def test_a_turn_without_think_time_is_taken_in_the_very_next_iteration(play):
    engine, _ = play(ScriptedSession(name="a", turns=(turn("a/1"), turn("a/2"))))
    assert times(engine, "submit")["a/2"] == pytest.approx(0.04)


def test_a_turn_with_a_time_of_its_own_does_not_wait_for_the_one_before(play):
    engine, _ = play(ScriptedSession(name="a", turns=(turn("a/1", output=50), turn("a/2", at=0.2))))
    assert times(engine, "submit")["a/2"] == pytest.approx(0.2)
    assert engine.states == {"a/1": "finished", "a/2": "finished"}


@pytest.mark.parametrize(("close", "closes"), [("never", {}), ("end", {"a": 0.04}), (12.0, {"a": 12.0})])
def test_a_session_closes_when_it_says_so(play, close, closes):
    engine, _ = play(ScriptedSession(name="a", close=close, turns=(turn("a/1"),)))
    assert times(engine, "close") == pytest.approx(closes)


def test_a_turn_aborted_in_the_queue_counts_as_ended(play, tiny_engine):
    session = ScriptedSession(name="a", turns=(turn("a/1", prompt=2000), turn("a/2")))
    engine, clock = play(session, inject=[inject("abort", "a/1", "at", 0.2)])
    assert engine.states == {"a/1": "aborted", "a/2": "finished"}
    assert clock.ending == "done"


def test_messages_are_taken_in_the_order_in_which_they_were_sent(play):
    engine, _ = play(*(SingleRequest(rid=rid, prompt=5, output=1, at=1.0) for rid in "cab"))
    assert [name for _, name, _ in engine.calls] == ["c", "a", "b"]


def test_an_injection_by_progress_comes_at_the_start_of_the_next_iteration(play):
    engine, _ = play(
        SingleRequest(rid="r", prompt=5, output=10),
        inject=[inject("retract", "r", "decoded", 6, rid="r")],
    )
    # Prefill at 0.00, tokens 1 to 6 at 0.01 to 0.06, so the retract comes at 0.07 and only once.
    assert [c for c in engine.calls if c[0] == "retract"] == [("retract", ("r",), pytest.approx(0.07))]


def test_an_injection_by_iteration_follows_that_iteration(play):
    engine, _ = play(
        SingleRequest(rid="r", prompt=5, output=10), inject=[inject("retract", None, "iteration", 4)]
    )
    assert [c for c in engine.calls if c[0] == "retract"] == [("retract", None, pytest.approx(0.04))]


def test_an_injection_at_a_time_wakes_a_sleeping_scheduler(play):
    engine, _ = play(SingleRequest(rid="r", prompt=5, output=1), inject=[inject("retract", None, "at", 30.0)])
    assert [c for c in engine.calls if c[0] == "retract"] == [("retract", None, 30.0)]
    assert engine.iteration < 10


def test_a_refusal_is_armed_before_the_first_admission_attempt(play):
    engine, _ = play(
        SingleRequest(rid="r", prompt=5, output=1), inject=[inject("refuse", "r", "queued", rid="r", times=9)]
    )
    assert [op for op, _, _ in engine.calls] == ["submit", "refuse"]
    assert engine.refusals["r"] == 0
    assert engine.states == {"r": "finished"}


def test_more_refusals_than_patience_are_all_used_up(play):
    times_refused = 3 * PATIENCE
    engine, clock = play(
        SingleRequest(rid="r", prompt=5, output=1),
        inject=[inject("refuse", "r", "queued", rid="r", times=times_refused)],
    )
    assert (engine.states["r"], clock.ending) == ("finished", "done")


def test_an_overlong_request_is_as_long_as_the_shortest_prompt_that_is_refused(play, tiny_engine):
    full = tiny_engine(tokens=100)
    at = Trigger(kind="at", value=0.1)
    overlong = Injection(action="overlong", target=None, trigger=at, rid="overlong-1")
    engine, _ = play(inject=[overlong], engine=full)
    (request,) = engine.queue
    assert [segment.length for segment in request.prompt] == [994]


def test_work_that_can_never_run_is_stuck_and_not_waited_for(play):
    engine, clock = play(SingleRequest(rid="r", prompt=2000, output=1))
    assert clock.ending == "stuck"
    assert engine.iteration < 2 * PATIENCE


def test_waiting_work_is_not_stuck_while_a_message_is_still_to_come(play):
    engine, clock = play(
        SingleRequest(rid="r", prompt=2000, output=1), inject=[inject("abort", "r", "at", 50.0)]
    )
    assert (clock.ending, engine.states["r"]) == ("done", "aborted")
    assert engine.iteration < 3 * PATIENCE


def test_a_reaper_that_never_frees_anything_does_not_keep_a_run_alive(play, tiny_engine):
    class Busybody(tiny_engine):
        def next_reap(self):
            return self.now + 1.0

    engine, clock = play(SingleRequest(rid="r", prompt=2000, output=1), engine=Busybody())
    assert clock.ending == "stuck"
    assert BARREN < engine.iteration < BARREN + 1000


def test_a_sleeping_scheduler_wakes_to_reap_a_session_and_then_runs_dry(play):
    engine, clock = play(ScriptedSession(name="a", timeout=30.0, turns=(turn("a/1"),)))
    # Last touched at 0; the reaper wants more than 30 s to have passed.
    (closed,) = times(engine, "close").values()
    assert 30.0 < closed < 30.1
    assert clock.ending == "done"


def test_an_expired_session_is_reaped_at_once(play):
    engine, _ = play(
        ScriptedSession(name="a", timeout=30.0, turns=(turn("a/1"),)),
        inject=[inject("timeout", "a", "at", 5.0)],
    )
    assert times(engine, "close")["a"] == pytest.approx(5.0, abs=0.01)


def test_a_run_ends_at_its_last_iteration(play):
    engine, clock = play(SingleRequest(rid="r", prompt=5, output=100), until=Until(iterations=7))
    assert (engine.iteration, clock.ending) == (7, "until")


def test_a_run_ends_at_its_last_second(play):
    engine, clock = play(SingleRequest(rid="r", prompt=5, output=100), until=Until(time=0.5))
    assert (engine.iteration, clock.ending) == (50, "until")


def test_a_crash_ends_the_run(play, tiny_engine):
    engine, clock = play(SingleRequest(rid="r", prompt=5, output=100), engine=tiny_engine(crash_at=3))
    assert (engine.iteration, clock.ending) == (3, "crash")


def test_an_error_with_arguments_of_its_own_comes_out_as_it_was_raised(play, tiny_engine):
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    class Broken(tiny_engine):
        def step(self):
            raise Odd(1, 2)

    with pytest.raises(Odd, match="1 and 2"):
        play(SingleRequest(rid="r", prompt=5, output=1), engine=Broken())


def test_poisson_sends_as_many_requests_as_it_is_told(play):
    source = Poisson(name="p", rate=20.0, count=15, prompt=Constant(5), output=Constant(1))
    engine, _ = play(source)
    assert list(times(engine, "submit")) == [f"p-{n}" for n in range(1, 16)]


def test_poisson_sends_nothing_after_its_last_second(play):
    source = Poisson(name="p", rate=50.0, until=4.0, prompt=Constant(5), output=Constant(1))
    sent = times(play(source)[0], "submit").values()
    assert 120 < len(sent) < 280
    assert max(sent) < 4.0 + 0.1


def test_bursts_come_together_and_the_first_at_once(play):
    source = Bursty(name="b", every=5.0, size=Constant(3), count=2, prompt=Constant(5), output=Constant(1))
    sent = times(play(source)[0], "submit")
    assert sent == {f"b-{n}": 0.0 if n <= 3 else 5.0 for n in range(1, 7)}


def fleet(**fields):
    given = {
        "name": "f", "sessions": 3, "turns": Constant(2), "think": Constant(1.0), "start": Constant(0.0),
        "prompt": Uniform(5, 9), "output": Constant(2),
    }  # fmt: skip
    return Fleet(**(given | fields))


def test_each_client_of_a_fleet_takes_its_turns_and_closes_its_session(play):
    engine, _ = play(fleet())
    assert [sum(op == kind for op, _, _ in engine.calls) for kind in ("open", "submit", "close")] == [3, 6, 3]
    assert set(engine.states.values()) == {"finished"}


def test_a_fleet_thinks_between_turns(play):
    sent = times(play(fleet(sessions=1))[0], "submit")
    # Prefill and two decode steps take 0.03 s, then one second of thought.
    assert sent == {"f1/1": 0.0, "f1/2": pytest.approx(1.03)}


def test_a_client_opens_a_new_session_as_often_as_rounds_say(play):
    opened = times(play(fleet(sessions=2, rounds=3))[0], "open")
    assert set(opened) == {f"f{n}" for n in range(1, 7)}


def test_a_fleet_that_never_closes_leaves_its_sessions_open(play):
    assert set(play(fleet(close="never"))[0].sessions) == {"f1", "f2", "f3"}


def test_a_fleet_aborts_about_as_many_turns_as_its_rate_says(play):
    engine, _ = play(fleet(sessions=30, turns=Constant(5), output=Constant(20), abort_rate=0.5))
    aborted = sum(state == "aborted" for state in engine.states.values())
    assert 40 < aborted < 100
    assert len(engine.states) == 150


def test_what_a_fleet_asks_does_not_depend_on_how_fast_it_is_served(play):
    asked = []
    for tokens in (40, 4000):
        requests = {}

        class Noting(type(play(fleet())[0])):
            def submit(self, request, requests=requests):
                requests[request.rid] = request
                super().submit(request)

        play(fleet(sessions=8, think=Exponential(0.1, 0.0, 1.0)), engine=Noting(tokens))
        asked.append(requests)
    assert asked[0] == asked[1]


def test_no_simpy_process_waits_for_an_idle_session(play):
    _, clock = play(fleet(sessions=500, think=Constant(100.0)), until=Until(time=50.0))
    assert len(clock.env._queue) < 20


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 99), rate=st.floats(1, 100), think=st.floats(0, 2))
def test_the_same_seed_gives_the_same_calls_at_the_same_times(tiny_engine, seed, rate, think):
    runs = []
    for _ in range(2):
        engine = tiny_engine()
        config = replace(CONFIG, seed=seed)
        workload = (
            fleet(think=Exponential(think, 0.0, 10.0)),
            Poisson(name="p", rate=rate, count=10, prompt=Uniform(1, 30), output=Uniform(1, 4)),
        )
        Clock(Driver(engine), config, workload=workload).run()
        runs.append(engine.calls)
    assert runs[0] == runs[1]


def test_a_waiting_request_is_looked_at_again_when_its_time_out_has_passed(play, tiny_engine):
    class Impatient(tiny_engine):
        def step(self):
            if self.queue and self.now > 5.0:
                self.abort(self.queue[0].rid)
            return super().step()

    config = RunConfig(pool=CONFIG.pool, scheduler=SchedulerConfig(waiting_timeout=5.0))
    engine, clock = play(SingleRequest(rid="r", prompt=2000, output=1), engine=Impatient(), config=config)
    assert (engine.states["r"], clock.ending) == ("aborted", "done")


def test_an_alarm_rings_once_at_the_earliest_time():
    from simpy import Environment

    env, rung = Environment(), []
    alarm = Alarm(env, lambda: rung.append(env.now))
    for time in (5.0, 3.0, 4.0):
        alarm.at(time)
    env.run()
    assert rung == [3.0]
