"""The model as an engine: what it tells of itself, and that it does the same thing every time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.randomcase import draw_case
from helpers.randomrun import Player, improvised
from helpers.rig import Rig

from sim.config import SpeculativeConfig, SwaConfig
from sim.engines.protocol import Progress, SessionState, Snapshot, Terms

ROOT = Path(__file__).parents[3]


# -- snapshots ----------------------------------------------------------------------------------------------


def test_the_snapshot_of_an_engine_that_has_done_nothing():
    assert Rig(tokens=100, rows=3).engine.snapshot() == Snapshot(
        pools={"full": Terms(100, 0, 0, 0, 0, 100)}, free_rows=3, waiting=(), running=(), chunked=None,
        last_batch=None, sessions=(),
    )  # fmt: skip


def test_the_snapshot_of_a_session_between_turns():
    """Domain §6: 974 free, 20 protected, 26 − 20 = 6 held."""
    rig = Rig()
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    assert rig.engine.snapshot() == Snapshot(
        pools={"full": Terms(974, 0, 20, 6, 0, 1000)}, free_rows=7, waiting=(), running=(), chunked=None,
        last_batch=None, sessions=(SessionState("a", 1, 26, 26, 20, 0, 26, False, False),),
    )  # fmt: skip


def test_the_snapshot_in_the_middle():
    """One prompt split at 16, one request decoding, one waiting for a place in the running batch."""
    rig = Rig(chunked_prefill=16, max_running=2, overlap=False)
    rig.send("r", 8, 9)
    rig.step(2)
    rig.send("long", 40, 3)
    rig.send("late", 4, 2)
    rig.step()
    seen = rig.engine.snapshot()
    assert (seen.waiting, seen.running, seen.chunked, seen.last_batch) == (("late",), ("r",), "long", ("long",))
    assert seen.pools["full"] == Terms(1000 - 9 - 16, 0, 8, 0, 1 + 16, 1000)
    assert seen.free_rows == 6


def test_who_is_parked_waits_though_no_queue_has_it():
    rig = Rig(tokens=200, swa=SwaConfig(tokens=38, window=16), chunked_prefill=16, overlap=False, radix=False)
    rig.open("a")
    rig.run_turn("a/1", 20, 1)
    rig.send("r", 60, 4)
    waits = []
    for _ in range(4):
        rig.step()
        waits.append((rig.engine.waiting, rig.engine.running, rig.engine.snapshot().waiting))
    assert waits == [(0, 1, ()), (0, 1, ()), (1, 0, ()), (1, 0, ())]
    rig.send("late", 60, 4)
    assert rig.engine.waiting == 2


def test_a_session_that_has_not_begun_holds_nothing():
    rig = Rig()
    rig.open("a")
    assert rig.engine.snapshot().sessions == (SessionState("a", None, 0, 0, 0, 0, 0, False, False),)
    rig.turn("a/1", 20, 6)
    assert rig.engine.snapshot().sessions[0].inflight


def test_a_session_that_closes_in_flight_says_so():
    rig = Rig()
    rig.open("a")
    rig.turn("a/1", 20, 6)
    rig.step(2)
    rig.close("a")
    assert rig.engine.snapshot().sessions[0].closing
    rig.drain()
    rig.advance(2.0)
    assert rig.engine.snapshot().sessions == ()
    assert rig.terms == (980, 20, 0, 0, 0, 1000)


# -- progress -----------------------------------------------------------------------------------------------


def test_the_progress_of_a_request():
    rig = Rig(chunked_prefill=16, overlap=False)
    engine = rig.engine
    assert engine.progress("r") == Progress("unknown", 0, 0)
    rig.send("r", 20, 3)
    seen = [engine.progress("r")]
    for _ in range(4):
        rig.step()
        seen.append(engine.progress("r"))
    assert seen == [
        Progress("queued", 20, 0), Progress("decode", 20, 0), Progress("decode", 20, 1), Progress("decode", 20, 2),
        Progress("finished", 20, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("steps", [0, 3])
def test_the_progress_of_an_aborted_request(steps):
    """In the queue at once; while it runs, after one more step."""
    rig = Rig()
    rig.send("r", 20, 30)
    if steps:
        rig.step(steps)
    rig.abort("r")
    if steps:
        assert rig.engine.progress("r").state == "decode"
        rig.step(2)
    assert rig.engine.progress("r").state == "aborted"


def test_the_progress_of_a_retracted_request_is_queued_with_its_output():
    rig = Rig(overlap=False)
    rig.send("r", 20, 30)
    rig.step(4)
    rig.retract()
    assert rig.engine.progress("r") == Progress("queued", 20, 4)


def test_waiting_and_running():
    rig = Rig(max_running=1)
    rig.send("r", 5, 9)
    rig.send("s", 5, 9)
    assert (rig.engine.waiting, rig.engine.running) == (2, 0)
    rig.step()
    assert (rig.engine.waiting, rig.engine.running) == (1, 1)


# -- idle ---------------------------------------------------------------------------------------------------


def test_idle_after_two_iterations_that_did_nothing():
    rig = Rig()
    seen = []
    for _ in range(3):
        rig.step()
        seen.append(rig.engine.idle)
    assert seen == [False, True, True]


@pytest.mark.parametrize("operation", ["open", "send", "abort", "close", "expire", "retract"])
def test_whatever_comes_from_outside_ends_an_idle_time(operation):
    rig = Rig()
    rig.step(3)
    assert rig.engine.idle
    {
        "open": lambda: rig.open("a"), "send": lambda: rig.send("r", 3, 1), "abort": lambda: rig.abort("r"),
        "close": lambda: rig.close("a"), "expire": lambda: rig.expire("a"), "retract": lambda: rig.retract(),
    }[operation]()  # fmt: skip
    assert not rig.engine.idle


def test_idle_although_requests_wait_if_none_of_them_can_run():
    """Sessions hold 69 of 100; nothing will ever end."""
    rig = Rig(tokens=100)
    rig.open("a")
    rig.run_turn("a/1", 60, 9)
    rig.send("r", 40, 9)
    rig.drain()
    assert rig.engine.idle
    assert rig.engine.waiting == 1


# -- reports ------------------------------------------------------------------------------------------------


def test_what_a_step_reports():
    rig = Rig(overlap=False)
    rig.send("r", 20, 2)
    first, second, third = rig.step(), rig.step(), rig.step()
    assert (first.kind, first.batch, first.prefill_tokens, first.decode_requests) == ("prefill", 1, 20, 0)
    assert (second.kind, second.batch, second.prefill_tokens, second.decode_requests) == ("decode", 1, 0, 1)
    assert (second.finished, third.kind, third.batch) == (("r",), "idle", 0)
    assert [r.iteration for r in rig.reports] == [1, 2, 3]


def test_what_happened_between_steps_is_in_the_next_report():
    rig = Rig()
    rig.send("r", 20, 9)
    rig.send("q", 5, 9)
    rig.step(3)
    rig.retract("r")
    rig.abort("r")
    report = rig.step()
    assert (report.retracted, report.aborted) == (("r",), ("r",))


def test_a_refused_attempt_is_reported():
    rig = Rig()
    rig.send("r", 5, 30)
    rig.step(2)
    rig.refuse("s", 1)
    rig.send("s", 5, 3)
    assert rig.step().refused == ("s",)


def test_the_releases_own_message_is_in_the_report():
    rig = Rig(revert=[22753])
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 4)
    assert rig.step().release_check == (
        "Full Pool Mem Leak Detected! [full] total=1000, available=964, evictable=0, protected=20, session_held=6, "
        "uncached=16"
    )


# -- sessions -----------------------------------------------------------------------------------------------


def test_a_name_that_is_taken_cannot_be_opened():
    engine = Rig().engine
    assert engine.open("a")
    assert not engine.open("a")


def test_0_5_10_opens_no_session_with_speculation_under_overlap():
    gated = Rig("sglang-0.5.10", session_gate=True, speculative=SpeculativeConfig()).engine
    assert not gated.open("a")
    assert Rig("sglang-0.5.10", session_gate=True, speculative=SpeculativeConfig(), overlap=False).engine.open("a")
    assert Rig(session_gate=True, speculative=SpeculativeConfig()).engine.open("a")


def test_the_reaper_runs_once_a_second_and_names_whom_it_closed():
    rig = Rig()
    rig.open("a", timeout=0.5)
    assert rig.engine.next_reap() == pytest.approx(1.0)
    assert rig.advance(0.9) == ()
    assert rig.advance(1.1) == ("a",)
    assert rig.engine.next_reap() is None


def test_a_session_that_expired_is_closed_by_the_next_pass():
    rig = Rig()
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    assert rig.engine.next_reap() is None
    rig.expire("a")
    assert rig.advance(0.0) == ("a",)
    assert rig.terms == (980, 20, 0, 0, 0, 1000)


# -- the same thing every time ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_the_same_operations_give_the_same_snapshots_reports_and_verdicts(seed):
    """Two engines in one process, event by event."""
    case = draw_case(seed)
    one, other = Player(case), Player(case)
    for action in improvised(case, 60).actions:
        results = []
        for player in (one, other):
            try:
                player.do(action)
            except Exception as error:
                results.append(repr(error))
            results.append((player.engine.snapshot(), [v.to_json() for v in player.auditor.verdicts]))
        half = len(results) // 2
        assert results[:half] == results[half:]


SCENARIO = """\
pool: {tokens: 1600, page_size: 4, rows: 48, context: 512}
seed: 7
until: 12s
workload:
  - poisson: {name: p, rate: 12/s, until: 8s, prompt: {uniform: [4, 40]}, output: {exponential: {mean: 12, max: 40}},
              prefix: {pool: 3, tokens: 32}, accept: {rate: 0.7}, priority: [0, 20]}
  - fleet: {name: f, sessions: 8, turns: {uniform: [2, 4]}, think: {exponential: {mean: 0.4, max: 2}},
            start: {uniform: [0s, 3s]}, prompt: {uniform: [3, 20]}, output: 9, timeout: 3s, close: end,
            abort_rate: 0.1, rounds: 2}
variants:
  plain: {scheduler: {policy: lpm, max_running: 16, chunked_prefill: 64, mixed_chunk: true}}
  shuffled: {release: sglang-0.5.10, scheduler: {policy: random, max_running: 16, overlap: false}}
  speculative: {scheduler: {max_running: 16, priority: true, preemption: true,
                            speculative: {steps: 3, topk: 1, draft: 4}}}
"""


RUN = """\
import sys
from pathlib import Path
from sim.run import Options, run_paths
for _ in run_paths([Path(sys.argv[1])], Options(out=Path(sys.argv[2]), device="cpu")):
    pass
"""


def logs_of(folder, scenario, hash_seed, threads):
    """events.jsonl and ops.jsonl of each variant, from a process of its own."""
    environment = {
        **os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-c", RUN, str(scenario), str(folder)]
    done = subprocess.run(command, env=environment, cwd=folder.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = [*folder.rglob("events.jsonl"), *folder.rglob("ops.jsonl")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_two_processes_with_other_hash_seeds_and_thread_counts_write_the_same_bytes(tmp_path):
    scenario = tmp_path / "busy.yaml"
    scenario.write_text(SCENARIO)
    one = logs_of(tmp_path / "one", scenario, "0", "1")
    two = logs_of(tmp_path / "two", scenario, "4242", "2")
    assert len(one) == 6
    assert min(len(log) for log in one.values()) > 20_000
    assert one == two
