"""What travels between the processes comes out as it went in."""

import json

import pytest
from helpers.randomcase import draw_case
from helpers.randomrun import improvised
from helpers.timed import timed

from sim.engines.marks import REAP, STEP, Crash, Walk
from sim.engines.protocol import EngineCrash, Progress, Request, StepReport
from sim.engines.sglang import wire
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract, Submit
from sim.world import Segment

REQUEST = Request(
    rid="a/1", prompt=(Segment(name="x", length=3),), max_new=5, session="a", priority=2, stop_at=3, accept=(1, 2)
)
OPERATIONS = [
    Open(session="a"), Open(session="b", timeout=0.25), Submit(what=REQUEST),
    Submit(what=Request(rid="r", prompt=(), max_new=1, accept=0.5)), Abort(request="a"), Close(session="a"),
    Expire(session="a"), Retract(rids=None, how="memory"), Retract(rids=("a", "b"), how="pause"),
    Refuse(request="a/1", times=2),
]  # fmt: skip


def through_json(value):
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.kind)
def test_an_operation_comes_out_as_it_went_in(operation):
    assert wire.operation_from_json(through_json(wire.operation_to_json(operation))) == operation


def test_an_unknown_operation_is_named():
    with pytest.raises(KeyError, match="'fly' is no operation"):
        wire.operation_from_json({"op": "fly"})


def test_timed_operations_keep_their_times():
    actions = [(0.1, STEP), (1 / 3, REAP), *((0.7, operation) for operation in OPERATIONS)]
    assert wire.timed_from_json(through_json(wire.timed_to_json(actions))) == actions


def test_a_message_is_one_line_whatever_is_in_it():
    line = wire.pack({"op": "abort", "rid": "line\nfeed é"})
    assert line.count(b"\n") == 1
    assert wire.unpack(line) == {"op": "abort", "rid": "line\nfeed é"}


def test_what_is_no_object_is_no_message():
    with pytest.raises(ValueError, match="no JSON object"):
        wire.unpack(b"[1]")


@pytest.mark.parametrize("marks", [[], [1, 2], [3, Crash("ValueError", "off", ("a.py:1 f",))]])
def test_marks_and_the_crash_that_ended_them(marks):
    assert wire.marks_from_json(through_json(wire.marks_to_json(marks))) == marks


def test_a_crash_keeps_its_frames():
    error = wire.crash_from_json(through_json(wire.crash_to_json(EngineCrash("KeyError", "'x'", ["a.py:1 f"]))))
    assert (error.kind, error.message, error.frames) == ("KeyError", "'x'", ("a.py:1 f",))


def test_reports_and_progress_travel_as_lists():
    report = StepReport(4, "decode", 2, 0, 2, ("a",), (), ("b",), (), "off by 1", True)
    assert wire.report_from_json(through_json(report)) == report
    assert wire.progress_from_json(["decode", 4, 2]) == Progress("decode", 4, 2)


@pytest.mark.parametrize("seed", range(12))
def test_snapshots_and_layouts_of_random_runs(seed):
    run = improvised(draw_case(seed), 60)
    walk = Walk(run.case.engine())
    for time, what in timed(run)[: len(run.actions) - (run.crash is not None)]:
        walk.do(time, what)
        snapshot, layout = walk.engine.snapshot(), walk.engine.layout()
        assert wire.snapshot_from_json(through_json(wire.snapshot_to_json(snapshot))) == snapshot
        assert wire.layout_from_json(through_json(wire.layout_to_json(layout))) == layout
