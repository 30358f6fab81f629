"""A trace says what the run's files say: read back with the message definitions, for runs of every kind."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from helpers.exportrun import ITERATIONS, LISTS, Folder, folders
from helpers.traceread import read_trace
from hypothesis import given, settings

from reports.export import export
from reports.series import TERMS

LIFE = ("request", "session")
ENDS = {"finished", "aborted", "refused", "closed"}


def exported(folder, where, said=None):
    run = folder.write(Path(where) / "s" / "v")
    (path,) = export(run, "perfetto", None, (said if said is not None else []).append)
    assert path == run / "trace.perfetto-trace"
    return path


def traced(folder):
    with TemporaryDirectory() as where:
        read = read_trace(exported(folder, where))
    (process,) = read.labels
    return read, process


def on(marks, process, *path):
    return marks.get((process, *path), [])


def notes_of(event):
    notes = {"event": event["event"], "iteration": event["it"]}
    if event.get("batch"):
        notes |= {"batch": event["batch"], "tokens": event.get("tokens", 0)}
    return notes | {k: event[k] for k in ("request", "session", "check", *LISTS, "verdicts") if k in event}


@settings(max_examples=40, deadline=None)
@given(folders())
def test_each_batch_is_a_slice_and_each_operation_an_instant(folder):
    read, process = traced(folder)
    batches = [e for e in folder.events if "batch" in e]
    slices = on(read.slices, process, "scheduler")
    assert [(s.name, s.notes) for s in slices] == [(e["kind"], notes_of(e)) for e in batches]
    outside = [e for e in folder.events if e["kind"] not in ITERATIONS]
    assert [(i.name, i.notes) for i in on(read.instants, process, "operations")] == [
        (e["kind"], notes_of(e)) for e in outside
    ]
    told = [e for e in folder.events if e not in batches + outside and any(k in e for k in (*LISTS, "check"))]
    assert [i.notes for i in on(read.instants, process, "scheduler")] == list(map(notes_of, told))


@settings(max_examples=40, deadline=None)
@given(folders())
def test_an_iteration_lasts_until_the_next_event(folder):
    read, _ = traced(folder)
    marks = sorted(
        (m for m in read.marks if m.category in ("scheduler", "operation")), key=lambda m: m.notes["event"]
    )
    times = {e["event"]: round(e["t"] * 1e9) for e in folder.events}
    numbers = list(times)
    for mark, after in pairwise(marks):
        assert mark.end <= after.start
        if numbers.index(after.notes["event"]) == numbers.index(mark.notes["event"]) + 1 and mark.end > mark.start:
            assert mark.end == after.start
    changes = len(folder.events) + len(folder.lives or ())
    assert all(0 <= m.start - times[m.notes["event"]] <= changes for m in marks)


@settings(max_examples=40, deadline=None)
@given(folders())
def test_the_counters_equal_the_books_at_every_event(folder):
    read, process = traced(folder)
    wanted = {}
    for event in folder.events:
        for name in ("running", "waiting"):
            wanted.setdefault((process, name), []).append((event["event"], event[name]))
        for pool in {"full", "swa", "mamba"} & set(event):
            prefix = "" if pool == "full" else f"{pool}_"
            figures = dict(zip(TERMS, event[pool], strict=True))
            figures |= {"sum − total": event.get(f"{prefix}delta", 0)}
            figures |= {name: event.get(f"{prefix}{name}", 0) for name in ("lost", "extra")}
            for name, figure in figures.items():
                path = (process, f"pool {pool}", f"{pool} {name}")
                wanted.setdefault(path, []).append((event["event"], figure))
    assert set(read.counters) == set(wanted) == set(read.units)
    moments = {m.notes["event"]: m.start for m in read.marks if m.category in ("scheduler", "operation")}
    for path, points in wanted.items():
        assert [v for _, v in read.counters[path]] == [v for v, _ in groupby(v for _, v in points)]
        assert all(read.value(path, moments[event]) == v for event, v in points if event in moments)


@settings(max_examples=40, deadline=None)
@given(folders())
def test_every_verdict_has_its_cause_and_where_it_is_seen(folder):
    read, process = traced(folder)
    verdicts = dict(enumerate(folder.verdicts or ()))
    causes = {m.notes["index"]: m for m in on(read.instants, process, "causes")}
    checks = {m.notes["index"]: m for m in on(read.instants, process, "checks")}
    assert set(causes) == set(checks) == set(verdicts)
    for index, verdict in verdicts.items():
        cause, check = causes[index], checks[index]
        assert (cause.name, cause.notes["size"]) == (verdict["verdict"], verdict["size"])
        assert cause.notes.get("cause") == (verdict["cause"] or {}).get("what")
        assert cause.start <= check.start
        if verdict["detected_event"] is None:
            assert (check.name, cause.flows, check.ended_flows) == ("never seen", (), ())
        else:
            assert (check.name, cause.flows) == (verdict["detected_by"], check.ended_flows)
            assert len(cause.flows) == 1
    moments = {m.notes["event"]: m.start for m in read.marks if m.category in ("scheduler", "operation")}
    for index, verdict in verdicts.items():
        if verdict["event"] in moments:
            assert causes[index].start == moments[verdict["event"]]


@settings(max_examples=40, deadline=None)
@given(folders())
def test_sessions_and_requests_have_a_track_with_their_states(folder):
    read, process = traced(folder)
    wanted = {}
    for life in folder.lives or ():
        session = ("sessions", life["session"]) if "session" in life else ()
        path = session if "request" not in life else (*(session or ("requests",)), life["request"])
        kind = "request" if "request" in life else "session"
        wanted.setdefault((process, *path), []).append((kind, life["state"], life["event"]))
    found = {}
    for path in {*read.slices, *read.instants}:
        marks = read.slices.get(path, []) + read.instants.get(path, [])
        lived = sorted((m for m in marks if m.category in LIFE), key=lambda m: (m.start, m.end))
        if lived:
            found[path] = [(m.category, m.name, m.notes["event"]) for m in lived]
    assert found == wanted
    instants = {m.name for m in read.marks if m.category in LIFE and m.start == m.end}
    assert instants <= ENDS


@settings(max_examples=30, deadline=None)
@given(folders())
def test_the_same_folder_gives_the_same_bytes(folder):
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        assert exported(folder, one).read_bytes() == exported(folder, other).read_bytes()


NONE = {"running": 0, "waiting": 0}
RUN = Folder(
    events=[
        {"event": 1, "t": 0.0, "it": 0, "kind": "open", "session": "a", "full": [9, 0, 0, 0, 0]} | NONE,
        {"event": 2, "t": 0.0, "it": 1, "kind": "prefill", "batch": 1, "full": [6, 0, 0, 0, 3]} | NONE,
        {"event": 3, "t": 0.01, "it": 2, "kind": "decode", "batch": 1, "full": [5, 0, 0, 0, 4]} | NONE,
    ],
    lives=[
        {"event": 1, "t": 0.0, "session": "a", "state": "open"},
        {"event": 2, "t": 0.0, "session": "a", "state": "turn"},
        {"event": 2, "t": 0.0, "request": "a/1", "session": "a", "state": "prefill"},
        {"event": 3, "t": 0.01, "request": "a/1", "session": "a", "state": "decode"},
    ],
    verdicts=[],
    end=0.0181,
)


def test_a_request_lies_in_its_session_and_what_still_lives_ends_with_the_run():
    read, process = traced(RUN)
    session = (process, "sessions", "a")
    assert [(m.name, m.start, m.end) for m in read.slices[session]] == [("open", 0, 1), ("turn", 1, 18_100_000)]
    assert [(m.name, m.start, m.end) for m in read.slices[*session, "a/1"]] == [
        ("prefill", 1, 10_000_000),
        ("decode", 10_000_000, 18_100_000),
    ]
    assert [(m.start, m.end) for m in read.slices[process, "scheduler"]] == [(1, 10_000_000), (10_000_000, 18_100_000)]


def test_the_variants_of_a_scenario_are_processes_of_one_trace(tmp_path):
    for variant in ("before", "after"):
        RUN.write(tmp_path / "s" / variant)
    (path,) = export(tmp_path / "s", "perfetto", None, print)
    read = read_trace(path)
    assert path == tmp_path / "s" / "trace.perfetto-trace"
    assert (list(read.labels), read.pids) == (["s/before", "s/after"], [1, 2])
    assert read.labels["s/after"] == ["model", "sglang-0.5.11", "without 22862"]
    assert len(read.slices["s/before", "scheduler"]) == len(read.slices["s/after", "scheduler"]) == 2


def test_counters_have_units():
    with_states = [e | {"mamba": [4, 0, 0, 0, 0]} for e in RUN.events]
    read, process = traced(Folder(with_states, verdicts=[]))
    assert read.units[process, "pool full", "full available"] == "tokens"
    assert read.units[process, "pool mamba", "mamba available"] == "states"
    assert read.units[process, "waiting"] == "requests"


def test_without_lives_these_tracks_are_left_out_with_a_word(tmp_path):
    said: list[str] = []
    path = exported(Folder(RUN.events, verdicts=[]), tmp_path, said)
    folder = tmp_path / "s" / "v"
    assert said == [f"{folder}: there is no lives.jsonl; exported without the tracks of sessions and requests"]
    assert {m.category for m in read_trace(path).marks} == {"scheduler", "operation"}


def test_lives_that_go_on_after_the_last_event_are_left_out_with_a_word(tmp_path):
    said: list[str] = []
    path = exported(Folder(RUN.events[:2], RUN.lives, []), tmp_path, said)
    lives = tmp_path / "s" / "v" / "lives.jsonl"
    assert said == [f"{lives}: it goes on after event 2, the last one; exported up to there"]
    assert [m.name for m in read_trace(path).slices["s/v", "sessions", "a", "a/1"]] == ["prefill"]


def test_several_runs_without_lives_are_one_word(tmp_path):
    for variant in ("a", "b", "c"):
        Folder(RUN.events, verdicts=[]).write(tmp_path / "s" / variant)
    said: list[str] = []
    list(export(tmp_path, "perfetto", None, said.append))
    assert [line.partition(":")[0] for line in said] == [f"{tmp_path / 's' / 'a'} and 2 more"]


MEASURE = """
import re, sys
from pathlib import Path
from reports.export import export
for folder in sys.argv[1:]:
    list(export(Path(folder), "perfetto", None, lambda _: None))
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the most that a process ever had is asked of Linux")
def test_memory_does_not_grow_with_the_run(tmp_path):
    for count in (100, 4000):
        events = [RUN.events[1] | {"event": n, "t": n / 100, "check": f"{n:8000}"} for n in range(1, count)]
        lives = [
            {"event": e["event"], "t": e["t"], "request": e["check"], "state": state}
            for e in events
            for state in ("queued", "finished")
        ]
        Folder(events, lives, []).write(tmp_path / str(count))
    command = [sys.executable, "-c", MEASURE, tmp_path / "100", tmp_path / "4000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    small, large = map(int, done.stdout.split())
    assert large < 1.2 * small
