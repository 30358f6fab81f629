"""What a run leaves behind, whatever stops it."""

from __future__ import annotations

import json
import os
import signal
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.driver import Driver, Over
from sim.engines.protocol import Request
from sim.operations import Abort, Open, Submit, request_from_json, request_to_json
from sim.record import Lines, Recorder, RecordError, folder_of, prepare, write_whole
from sim.series import Series
from sim.stopping import heeded
from sim.world import Segment

REQUEST = Request(rid="a/1", prompt=(Segment(name="a/1", length=20),), max_new=2, session="a")
needs_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")


@pytest.fixture
def record(tmp_path, tiny_engine, scripted_auditor):
    """A recorded driver, and the lines that it has left."""

    class Recorded:
        def __init__(self, script=None, audited=True, **engine):
            self.engine = tiny_engine(**engine)
            self.auditor = scripted_auditor(self.engine, script) if audited else None
            self.recorder = Recorder(tmp_path / "run", {"kvledger": 1}, {"full": 1000})
            self.driver = Driver(self.engine, self.auditor, self.recorder)

        def lines(self, name):
            self.recorder.close()
            return (tmp_path / "run" / name).read_text().splitlines()

        def session(self):
            self.driver.advance(0.0)
            self.driver.do(Open(session="a", timeout=30.0))
            self.driver.do(Submit(what=REQUEST))
            for step in range(3):
                self.driver.advance(step / 100)
                self.driver.step()

    return Recorded


@pytest.mark.parametrize("name", ["events.jsonl", "ops.jsonl"])
def test_a_stop_in_the_middle_of_writing_loses_nothing(record, monkeypatch, tmp_path, name):
    monkeypatch.setattr("sim.record._BATCH", 2)
    write, run = Lines.write, record()

    def stopped(self, lines):
        write(self, lines)
        if self._path.name == name and any(kind in lines for kind in ('"step"', '"decode"')):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Lines, "write", stopped)
    with pytest.raises(KeyboardInterrupt), heeded():
        run.session()
    monkeypatch.setattr(Lines, "write", write)
    events = run.lines("events.jsonl")
    assert [json.loads(line)["event"] for line in events] == list(range(1, run.recorder.written + 1))
    assert run.driver.event == run.recorder.written
    assert len(run.lines("ops.jsonl")) == 1 + len(events)
    assert list(np.load(tmp_path / "run" / "series.npz")["event"]) == list(range(1, len(events) + 1))


def test_each_operation_and_each_iteration_is_one_numbered_event(record):
    run = record()
    run.session()
    assert run.lines("events.jsonl") == [
        '{"event":1,"t":0.0,"it":0,"kind":"open","session":"a","full":[1000,0,0,0,0],"running":0,"waiting":0}',
        '{"event":2,"t":0.0,"it":0,"kind":"submit","request":"a/1","session":"a","full":[1000,0,0,0,0],'
        '"running":0,"waiting":1}',
        '{"event":3,"t":0.0,"it":1,"kind":"prefill","batch":1,"tokens":20,"full":[978,0,0,0,22],'
        '"running":1,"waiting":0}',
        '{"event":4,"t":0.01,"it":2,"kind":"decode","batch":1,"full":[978,0,0,0,22],"running":1,"waiting":0}',
        '{"event":5,"t":0.02,"it":3,"kind":"decode","batch":1,"finished":["a/1"],"full":[1000,0,0,0,0],'
        '"running":0,"waiting":0}',
    ]


def test_the_operations_are_what_was_done_in_order(record):
    run = record()
    run.session()
    header, *operations = map(json.loads, run.lines("ops.jsonl"))
    assert header == {"kvledger": 1}
    assert [(o["op"], o["t"]) for o in operations] == [
        ("open", 0.0), ("submit", 0.0), ("step", 0.0), ("step", 0.01), ("step", 0.02),
    ]  # fmt: skip
    assert request_from_json(operations[1]["request"]) == REQUEST


def test_a_reaper_pass_is_an_event_only_if_it_closed_something(record):
    run = record()
    run.session()
    run.driver.advance(20.0)
    run.driver.advance(40.0)
    assert json.loads(run.lines("events.jsonl")[-1]) == {
        "event": 6, "t": 40.0, "it": 3, "kind": "reap", "closed": ["a"], "full": [1000, 0, 0, 0, 0],
        "running": 0, "waiting": 0,
    }  # fmt: skip
    assert json.loads(run.lines("ops.jsonl")[-1]) == {"op": "reap", "t": 40.0}


def test_an_event_names_the_verdicts_that_it_opened(record, make_verdict):
    run = record(script={2: [make_verdict()], 4: [make_verdict(), make_verdict()]})
    run.session()
    opened = [json.loads(line).get("verdicts") for line in run.lines("events.jsonl")]
    assert opened == [None, [0], None, [1, 2], None]


def test_the_event_in_which_the_engine_raises_is_written_down(record):
    run = record(crash_at=2)
    with pytest.raises(Over):
        run.session()
    last = json.loads(run.lines("events.jsonl")[-1])
    assert (last["event"], last["check"], last["verdicts"]) == (4, "RuntimeError: Decode out of memory", [0])
    assert json.loads(run.lines("ops.jsonl")[-1]) == {"op": "step", "t": 0.01}


def test_a_run_without_auditor_has_no_terms_in_its_events(record):
    run = record(audited=False)
    run.session()
    assert json.loads(run.lines("events.jsonl")[2]) == {
        "event": 3, "t": 0.0, "it": 1, "kind": "prefill", "batch": 1, "tokens": 20, "running": 1,
        "waiting": 0,
    }  # fmt: skip


def test_names_are_escaped(record):
    run = record()
    run.driver.do(Abort(request='a"\n\u2028é'))
    assert json.loads(run.lines("events.jsonl")[0])["request"] == 'a"\n\u2028é'
    assert json.loads(run.lines("ops.jsonl")[1])["rid"] == 'a"\n\u2028é'


def test_the_series_holds_the_terms_of_every_event_of_a_short_run(record, tmp_path):
    run = record()
    run.session()
    run.recorder.close()
    with np.load(tmp_path / "run" / "series.npz") as series:
        assert series["event"].tolist() == [1, 2, 3, 4, 5]
        assert series["t"].tolist() == [0.0, 0.0, 0.0, 0.01, 0.02]
        assert series["full"][2].tolist() == [978, 0, 0, 0, 22]
        assert series["waiting"].tolist() == [0, 1, 0, 0, 0]
        assert int(series["full_total"]) == 1000
        assert set(series) == {
            "event", "t", "it", "full", "lost", "extra", "delta", "running", "waiting", "full_total",
        }  # fmt: skip


def point(event, delta=0):
    return (event, event / 100, event, 1000, 0, 0, 0, 0, 0, 0, delta, 0, 0)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=400), st.integers(16, 60))
def test_thinning_keeps_the_extremes_of_delta_and_both_ends(deltas, limit):
    series = Series(limit)
    for event, delta in enumerate(deltas, 1):
        series.add(point(event, delta))
    kept = series.points()
    assert len(kept) <= limit
    assert {p[10] for p in kept} >= {min(deltas), max(deltas)}
    assert (kept[0][0], kept[-1][0]) == (1, len(deltas))
    assert [p[0] for p in kept] == sorted({p[0] for p in kept})


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=300),
    st.integers(24, 60),
)
def test_thinning_keeps_the_extremes_of_every_pool(deltas, limit):
    series = Series(limit, pools=3)
    for event, (full, swa, mamba) in enumerate(deltas, 1):
        series.add((*point(event, full), *[0] * 7, swa, *[0] * 7, mamba))
    kept = series.points()
    assert len(kept) <= limit
    for column, number in ((10, 0), (20, 1), (28, 2)):
        those = [delta[number] for delta in deltas]
        assert {p[column] for p in kept} >= {min(those), max(those)}
    assert [p[0] for p in kept] == sorted({p[0] for p in kept})


def test_the_series_of_every_pool_is_saved(tmp_path):
    series = Series(pools=2)
    for event in (1, 2):
        series.add((*point(event), 70, 1, 2, 3, 4, 5, 6, event))
    series.save(tmp_path / "series.npz", {"full": 1000, "swa": 80})
    with np.load(tmp_path / "series.npz") as saved:
        assert saved["swa"].tolist() == [[70, 1, 2, 3, 4]] * 2
        assert (saved["swa_lost"].tolist(), saved["swa_extra"].tolist()) == ([5, 5], [6, 6])
        assert (saved["swa_delta"].tolist(), int(saved["swa_total"])) == ([1, 2], 80)
        assert saved["full"].shape == (2, 5)


def test_one_wrong_event_in_a_million_stays_in_the_series():
    series = Series()
    for event in range(1, 1_000_001):
        series.add(point(event, -1 if event == 654_321 else 0))
    kept = series.points()
    assert 5_000 < len(kept) <= 20_000
    assert [p[0] for p in kept if p[10]] == [654_321]


def test_memory_does_not_grow_with_the_past_of_a_run(record):
    run = record()
    run.recorder._series = Series(limit=200)
    run.session()

    def grow(steps):
        for _ in range(steps):
            run.driver.step()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early = grow(20_000)
        late = grow(20_000)
    finally:
        tracemalloc.stop()
    assert late - early < 20_000
    run.recorder.close()


@needs_full_disk
def test_a_full_disk_is_one_line_that_names_the_file():
    lines = Lines(Path("/dev/full"))
    lines.write("x\n")
    with pytest.raises(RecordError) as caught:
        lines.close()
    assert str(caught.value) == (
        "/dev/full: cannot be written: no space left on device; free space or choose another --out"
    )


def test_what_was_written_before_a_disk_filled_up_ends_with_a_complete_line(tmp_path, monkeypatch):
    path = tmp_path / "events.jsonl"
    lines = Lines(path)
    limited = LimitedFile(path, room=1000)
    monkeypatch.setattr(lines, "_file", limited)
    events = [f'{{"event":{number}}}\n' for number in range(1000)]
    with pytest.raises(RecordError, match="no space left"):
        list(map(lines.write, events))
    written = path.read_text()
    assert 900 < len(written) < 1000
    assert [json.loads(line)["event"] for line in written.splitlines()] == list(range(written.count("\n")))


class LimitedFile:
    """Takes `room` bytes, the last of them in the middle of a line, then no more."""

    def __init__(self, path, room):
        self.file = path.open("wb", buffering=0)
        self.room = room
        self.closed = False

    def write(self, data):
        taken = self.file.write(data[: self.room])
        self.room -= taken
        if taken < len(data):
            raise OSError(28, os.strerror(28))

    def close(self):
        self.closed = True
        self.file.close()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"file/run: cannot be written: not a directory; .* another --out$"):
        prepare(tmp_path / "file" / "run")


def test_a_whole_file_is_there_in_full_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "verdicts.json"
    write_whole(path, {"a": 1})

    def fail(self, text, encoding):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(RecordError):
        write_whole(path, {"a": 2})
    assert json.loads(path.read_bytes()) == {"a": 1}
    assert os.listdir(tmp_path) == ["verdicts.json"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "x\0y"])
def test_a_name_that_would_leave_the_output_folder_is_refused(name):
    with pytest.raises(Exception, match="is no folder name"):
        folder_of(Path("out"), name, "default")


@given(
    st.builds(
        Request,
        rid=st.text(),
        prompt=st.lists(st.builds(Segment, name=st.text(), length=st.integers(0, 9999))).map(tuple),
        max_new=st.integers(0, 9999),
        session=st.none() | st.text(),
        priority=st.none() | st.integers(),
        ignore_eos=st.booleans(),
        stop_at=st.none() | st.integers(1, 99),
        accept=st.lists(st.integers(1, 8), min_size=1).map(tuple) | st.floats(0, 1),
    )
)
def test_a_request_survives_json(asked):
    assert request_from_json(json.loads(json.dumps(request_to_json(asked)))) == asked


def test_what_an_earlier_run_left_and_cannot_be_removed_is_one_line(record, tmp_path):
    (tmp_path / "run" / "series.npz").mkdir(parents=True)
    with pytest.raises(RecordError, match=r"series\.npz: cannot be written: "):
        record()
