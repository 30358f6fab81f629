"""What each request did: compared with the queue and the lists of every event, and with a small automaton."""

import json
from collections import defaultdict
from itertools import pairwise

import pytest

from policies.releases import DEFAULT_RELEASE
from sim.fuzz.campaign import case_of
from sim.play import play
from sim.retrace import plan, retrace
from sim.retrace.lives import Lives
from sim.run import Options, run_paths
from sim.setup import Identity, Stage

FLEET = """\
name: fleet
seed: {seed}
pool: {{tokens: 320, page_size: 4, rows: 12}}
scheduler: {{max_running: 6, overlap: {overlap}, chunked_prefill: 32}}
workload:
  - fleet:
      {{name: f, sessions: 6, turns: 3, think: {{exponential: {{mean: 0.8, max: 4}}}}, start: {{uniform: [0, 1]}},
       timeout: 1, prompt: {{uniform: [5, 40]}}, output: {{uniform: [2, 12]}}, abort_rate: 0.3, rounds: 2}}
  - poisson: {{name: p, rate: 30/s, count: 60, prompt: {{uniform: [5, 60]}}, output: {{uniform: [2, 20]}}}}
inject:
  - {{retract: all, at: 0.7s}}
  - {{retract: all, at: 1.1s}}
"""
NEXT = {
    None: {"queued"},
    "queued": {"prefill", "finished", "aborted"},
    "prefill": {"decode", "retracted", "finished", "aborted"},
    "decode": {"retracted", "finished", "aborted"},
    "retracted": {"prefill", "finished", "aborted"},
}


@pytest.fixture(scope="module", params=[(seed, overlap) for seed in range(3) for overlap in ("true", "false")])
def folder(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("fleet")
    seed, overlap = request.param
    (out / "s.yaml").write_text(FLEET.format(seed=seed, overlap=overlap))
    ((_, result),) = run_paths([out / "s.yaml"], Options(out=out))
    retrace(result.folder)
    return result.folder


def lines(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_as_many_wait_as_the_queue_is_long(folder):
    by_event = defaultdict(list)
    for line in lines(folder, "lives.jsonl"):
        by_event[line["event"]].append(line)
    state = {}
    for event in lines(folder, "events.jsonl"):
        changed = by_event.pop(event["event"], [])
        state |= {line["request"]: line["state"] for line in changed if "request" in line}
        assert all(line["t"] == event["t"] for line in changed)
        assert sum(now in ("queued", "retracted") for now in state.values()) == event["waiting"]
    assert not by_event


@pytest.mark.parametrize("end", ["finished", "aborted"])
def test_those_who_end_are_those_of_whom_the_events_tell_and_an_abort_in_the_queue_ends_at_once(folder, end):
    told = {rid: event["event"] for event in lines(folder, "events.jsonl") for rid in event.get(end, ())}
    shown = {line["request"]: line["event"] for line in lines(folder, "lives.jsonl") if line["state"] == end}
    assert shown.keys() == told.keys()
    outside = {event["event"] for event in lines(folder, "events.jsonl") if event["kind"] in ("abort", "close", "reap")}
    assert all(event == told[rid] or event in outside for rid, event in shown.items())


def test_each_request_goes_from_state_to_state_as_requests_do(folder):
    before = defaultdict(lambda: None)
    seen = set()
    for line in lines(folder, "lives.jsonl"):
        if "request" in line:
            rid = line["request"]
            assert line["state"] in NEXT[before[rid]]
            before[rid] = line["state"]
            seen.add(line["state"])
    assert {"queued", "prefill", "decode", "finished"} <= seen


def test_sessions_open_take_turns_and_close(folder):
    states = defaultdict(list)
    for line in lines(folder, "lives.jsonl"):
        if "request" not in line:
            states[line["session"]].append(line["state"])
    assert len(states) == 12
    for found in states.values():
        assert found[0] == "open"
        assert "closed" not in found[:-1]
        assert all(one != other for one, other in pairwise(found))
    assert sum(found[-1] == "closed" for found in states.values()) >= 6
    assert any("held" in found for found in states.values())


def test_a_turn_says_of_which_session_it_is(folder):
    for line in lines(folder, "lives.jsonl"):
        session, slash, _ = line.get("request", "").rpartition("/")
        if slash:
            assert line.get("session") == (None if line["request"].startswith("p") else session)


def by_event(folder):
    """The lines of each event, whatever their order within it."""
    found = defaultdict(set)
    for line in (folder / "lives.jsonl").read_text().splitlines():
        found[json.loads(line)["event"]].add(line)
    return found


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_an_event_changes_only_the_sessions_of_which_it_tells(tmp_path, monkeypatch, start):
    monkeypatch.setattr(plan, "MOST_SAMPLES", 2)
    monkeypatch.setattr(plan, "MOST_MOMENTS", 0)
    changes = 0
    for seed in range(start, start + 10):
        case = case_of(seed, DEFAULT_RELEASE)
        identity = Identity(scenario="s", variant="v", release=DEFAULT_RELEASE)
        with Stage(identity, case.config, tmp_path) as stage:
            ending = play(stage.driver, case.actions, case.config)
            stage.end(ending)
            stage.conclude(ending)
        retrace(tmp_path)
        few = by_event(tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(Lives, "touched", lambda *_: None)
            patched.setattr(Lives, "plain", lambda *_: False)
            retrace(tmp_path)
        assert by_event(tmp_path) == few
        changes += len(few)
    assert changes > 500
