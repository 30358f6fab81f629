"""The rough idea of who waits and who runs, from which names are chosen."""

from __future__ import annotations

from sim.cases.guess import Guesses
from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.engines.protocol import Request
from sim.world import Segment


def guesses(*requests, **knobs):
    made = Guesses(RunConfig(pool=PoolConfig(tokens=100), scheduler=SchedulerConfig(**knobs)))
    for rid, prompt, output in requests:
        session = rid.split("/")[0] if "/" in rid else None
        made.submitted(
            Request(rid=rid, prompt=(Segment(name=rid, length=prompt),), max_new=output, session=session)
        )
    return made


def test_a_request_waits_then_runs_then_is_gone():
    made = guesses(("r1", 5, 2))
    assert (made.waiting(), made.running()) == (["r1"], [])
    made.step()
    assert (made.waiting(), made.running()) == ([], ["r1"])
    made.step()
    made.step()
    assert (made.live(), made.gone) == ([], ["r1"])


def test_who_does_not_fit_waits():
    made = guesses(("r1", 5, 9), ("r2", 5, 9), max_running=1)
    made.step()
    assert made.running() == ["r1"]
    crowded = guesses(("r1", 60, 9), ("r2", 60, 9))
    crowded.step()
    assert crowded.running() == ["r1"]


def test_a_long_prompt_takes_several_iterations():
    made = guesses(("r1", 20, 1), chunked_prefill=8)
    for _ in range(3):
        made.step()
        assert made.running() == ["r1"]
    made.step()
    assert made.live() == []


def test_a_prefix_aborts_all_whose_names_begin_so():
    made = guesses(("a/1", 5, 9), ("a/2", 5, 9), ("b/1", 5, 9))
    made.aborted("a/")
    assert made.live() == ["b/1"]


def test_the_retracted_wait_again():
    made = guesses(("r1", 5, 9), ("r2", 5, 9))
    made.step()
    made.retracted(("r1",))
    assert (made.waiting(), made.running()) == (["r1"], ["r2"])


def test_a_session_is_busy_while_a_turn_lives_and_has_said_what_its_turns_say():
    made = guesses(("a/1", 5, 3))
    assert made.busy("a")
    assert not made.busy("b")
    assert made.said == {"a": 8}
    made.closed("a")
    assert made.said == {}


def test_somebody_is_steady_who_will_decode_for_a_while():
    made = guesses(("r1", 5, 9))
    assert not made.steady()
    made.step()
    assert made.steady()
    assert not guesses(("r1", 5, 1)).steady()
