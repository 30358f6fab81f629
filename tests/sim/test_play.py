"""Timed operations on a driver: how time is set, what ends a list, and that a record of it plays again the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.clock import PATIENCE
from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.driver import Driver
from sim.engines.marks import REAP, STEP
from sim.engines.protocol import EngineCrash, Request
from sim.operations import Close, Open, Refuse, Submit
from sim.play import STUCK, play
from sim.record import Recorder
from sim.replay import Changes, replay
from sim.run import Options, run_paths
from sim.world import Segment

CONFIG = RunConfig(pool=PoolConfig(tokens=1000))


def submit(rid, prompt, output, session=None):
    return Submit(
        what=Request(rid=rid, prompt=(Segment(name=rid, length=prompt),), max_new=output, session=session)
    )


NEVER = submit("r", 2000, 1)
FITS = submit("r", 20, 1)


@pytest.fixture
def played(tiny_engine):
    """The engine and how the list ended."""

    def play_on(*actions, config=CONFIG, engine=None, **options):
        engine = engine or tiny_engine()
        return engine, play(Driver(engine), actions, config, **options)

    return play_on


@pytest.fixture
def run(tmp_path):
    """The only result of a scenario text; leaves its folder."""

    def run_text(text, **options):
        path = tmp_path / "case.yaml"
        path.write_text(text)
        ((_, result),) = run_paths([path], Options(out=tmp_path / "out", **options))
        return result

    return run_text


def test_the_time_is_set_once_before_what_happens_then(played, tiny_engine):
    class Watched(tiny_engine):
        def advance(self, now):
            self.calls.append(("advance", now))
            return super().advance(now)

    actions = [(0.0, FITS), (0.0, STEP), (0.5, STEP), (0.5, STEP), (1.25, REAP)]
    engine, ending = played(*actions, engine=Watched())
    assert engine.calls == [("advance", 0.0), ("submit", "r", 0.0), ("advance", 0.5), ("advance", 1.25)]
    assert (engine.iteration, ending) == (3, "done")


@pytest.mark.parametrize(
    ("actions", "ending"),
    [
        ([(0.0, NEVER), *[(0.0, STEP)] * PATIENCE], "stuck"),
        ([(0.0, NEVER), *[(0.0, STEP)] * (PATIENCE - 1)], "done"),
        ([(0.0, FITS), *[(0.0, STEP)] * (2 * PATIENCE)], "done"),
        ([*[(0.0, STEP)] * PATIENCE, (0.0, NEVER)], "done"),
        ([(0.0, submit("s", 20, 500)), (0.0, NEVER), *[(0.0, STEP)] * 2 * PATIENCE], "done"),
        ([(0.0, NEVER), (0.0, Open(session="a")), *[(0.0, STEP)] * PATIENCE], "stuck"),
        ([(0.0, NEVER), (0.0, Open(session="a", timeout=3.0)), *[(0.0, STEP)] * PATIENCE], "done"),
        ([(0.0, NEVER), *[(0.0, STEP)] * PATIENCE, (9.0, REAP)], "stuck"),
        ([(0.0, FITS), (0.0, Refuse(request="r", times=80)), *[(0.0, STEP)] * (PATIENCE + 5)], "done"),
    ],
    ids=[
        "waits in vain", "too soon to tell", "has run", "came last", "another runs", "a session without end",
        "a session will end", "time passed", "is still refused",
    ],
)  # fmt: skip
def test_what_ends_a_list(played, actions, ending):
    assert played(*actions)[1] == ending


def test_work_that_would_be_aborted_in_time_is_not_stuck(played):
    config = RunConfig(pool=CONFIG.pool, scheduler=SchedulerConfig(waiting_timeout=5.0))
    assert played((0.0, NEVER), *[(0.0, STEP)] * PATIENCE, config=config)[1] == "done"


def test_a_session_that_ends_gives_what_waits_another_chance(played):
    opened = [(0.0, NEVER), (0.0, Open(session="a", timeout=3.0)), *[(0.0, STEP)] * PATIENCE]
    assert played(*opened, (4.0, REAP), *[(4.0, STEP)] * (PATIENCE - 1))[1] == "done"
    assert played(*opened, (4.0, REAP), *[(4.0, STEP)] * PATIENCE)[1] == "stuck"


@pytest.mark.parametrize(
    ("steps", "marked", "ending"),
    [(PATIENCE, True, "stuck"), (PATIENCE, False, "done"), (PATIENCE - 1, True, "done")],
)
def test_only_a_mark_says_that_a_recorded_run_was_stuck(played, steps, marked, ending):
    actions = [(0.0, NEVER), *[(0.0, STEP)] * steps, *[(0.0, STUCK)] * marked]
    assert played(*actions, recorded=True)[1] == ending


def test_nothing_is_done_after_a_crash(played, tiny_engine):
    engine, ending = played((0.0, FITS), *[(0.0, STEP)] * 5, engine=tiny_engine(crash_at=2))
    assert (engine.iteration, ending) == (2, "crash")


def test_whoever_watches_is_told_how_far_it_is(played):
    seen = []
    played(*[(0.0, STEP)] * 5000, notice=lambda event, now: seen.append((event, now)))
    assert seen == [(2048, 0.0), (4096, 0.0)]


EVERYTHING = """\
name: case
seed: 3
pool: {tokens: 200, rows: 4}
operations:
  - {open: a, timeout: 1.5}
  - {open: b}
  - {submit: a/1, session: a, prompt: 20, output: 12}
  - {submit: b/1, session: b, prompt: [{x: 16}, {b/1: 3}], output: 3, stop_at: 2}
  - {refuse: b/1}
  - {step: 4}
  - {retract: [a/1]}
  - {wait: 0.03}
  - {step: 20}
  - {wait: 1.07}
  - {reap: true}
  - {wait: 0.5}
  - {step: 2}
  - {submit: b/2, session: b, prompt: 5, output: 30}
  - {step: 3}
  - {abort: b/}
  - {close: b}
  - {step: 4}
  - {expire: b}
  - {wait: 3}
  - {reap: true}
"""


def test_a_replay_of_operations_leaves_the_same_events(run, tmp_path):
    folder = run(EVERYTHING).folder
    again = replay(folder / "ops.jsonl", Changes(out=tmp_path / "again")).folder
    for name in ("events.jsonl", "ops.jsonl", "series.npz"):
        assert (folder / name).read_bytes() == (again / name).read_bytes(), name
    kinds = {json.loads(line)["kind"] for line in (folder / "events.jsonl").open()}
    kinds -= {"prefill", "decode", "idle"}
    assert kinds == {"open", "submit", "refuse", "retract", "abort", "close", "expire", "reap"}


def test_a_look_of_the_reaper_that_closed_nothing_is_recorded_since_it_moves_the_next(run):
    text = (
        "pool: {tokens: 200}\noperations:\n  - {open: a, timeout: 1.2}\n  - {wait: 1.1}\n"
        "  - {reap: true}\n  - {wait: 0.5}\n  - {step: 1}\n"
    )
    result = run(text)
    again = replay(result.folder / "ops.jsonl")
    without = run(text.replace("  - {reap: true}\n", ""))
    assert (result.events, again.events, without.events) == (2, 2, 3)


def test_names_that_nothing_bears_and_ids_sent_twice_are_the_schedulers_to_cope_with(run):
    result = run(
        "pool: {tokens: 200, rows: 4}\noperations:\n"
        "  - {abort: r9}\n  - {close: z}\n  - {expire: z}\n  - {retract: [r9]}\n  - {refuse: r9}\n"
        "  - {submit: z/1, session: z, prompt: 4, output: 4}\n  - {submit: r1, prompt: 4, output: 4}\n"
        "  - {submit: r1, prompt: 4, output: 4}\n  - {step: 20}\n"
    )
    assert (result.verdicts, result.events, result.ending) == ((), 28, "done")


def test_work_that_waits_for_ever_is_stuck_as_it_is_on_the_clock(run):
    pool = "pool: {tokens: 100, rows: 4, context: 90}\n"
    on_the_clock = run(
        pool + "workload:\n  - {session: a, turns: [{prompt: 60, output: 10}]}\n"
        "  - {request: r, prompt: 60, output: 10, at: 5s}\n"
    )
    spelled = run(
        pool + "operations:\n  - {open: a}\n  - {submit: a/1, session: a, prompt: 60, output: 10}\n"
        "  - {step: 12}\n  - {wait: 5s}\n  - {submit: r, prompt: 60, output: 10}\n  - {step: 64}\n"
    )
    assert [v.message for v in spelled.verdicts] == [v.message for v in on_the_clock.verdicts]
    assert (spelled.ending, spelled.status, spelled.verdicts[0].verdict) == ("stuck", 3, "stuck")
    assert replay(spelled.folder / "ops.jsonl").ending == "stuck"


def test_expectations_are_those_of_any_scenario(run):
    text = (
        "pool: {tokens: 1000, rows: 8}\nscheduler: {overlap: false}\nrevert: [22862]\noperations:\n"
        "  - {open: a}\n  - {submit: a/1, session: a, prompt: 20, output: 12}\n  - {step: 6}\n"
        "  - {retract: a/1}\n  - {step: 20}\n"
        "expect:\n  default:\n    verdict: leak\n    size: -1\n    points:\n"
        "      - {when: {iteration: 6}, requests: {a/1: {decoded: 6}}}\n"
        "      - {when: {finished: a/1}, full: {delta: -1}}\n"
    )
    assert run(text).ok
    assert run(text.replace("decoded: 6", "decoded: 5")).unmet
    assert run(text.replace("size: -1", "size: -2")).unmet
    assert [line.split(": ", 1)[1] for line in run(text.replace("iteration: 6", "iteration: 60")).unmet] == [
        "this point never came (at iteration 60)"
    ]


def test_the_scenario_of_the_documents_shows_what_it_says(run):
    page = Path(__file__).parents[2].joinpath("docs", "operations.md").read_text()
    text = page.split("```yaml\n")[1].split("```")[0]
    assert run(text, variant="without").ok
    assert run(text, variant="with").ok


def test_a_crash_in_a_pass_of_the_reaper_happens_again_in_a_replay(tiny_engine, tmp_path):
    class Dies(tiny_engine):
        def close(self, session):
            raise EngineCrash("AssertionError", "a lock")

    recorder = Recorder(tmp_path, {"kvledger": 1}, {"full": 1000})
    actions = [(0.0, Open(session="a", timeout=1.0)), (0.0, STEP), (3.0, STEP), (3.0, Close(session="b"))]
    assert play(Driver(Dies(), None, recorder), actions, CONFIG) == "crash"
    recorder.close()
    assert json.loads((tmp_path / "ops.jsonl").read_text().splitlines()[-1]) == {"op": "reap", "t": 3.0}
