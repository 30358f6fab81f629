"""What a lockstep came to, in text: a form that is frozen here."""

import json
from pathlib import Path

from sim.engines.layout import Layout
from sim.engines.marks import Crash
from sim.engines.protocol import Request, SessionState, Snapshot, Terms
from sim.lockstep import Difference, Outcome, View
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract, Submit
from sim.recorded import Line
from sim.sidebyside import WIDTH, lines, to_json, told
from sim.world import Segment

PATH = Path("out/ops.jsonl")
NAMES = ("model of sglang-0.5.11", "sglang 0.5.11")
REPORT = (7, "prefill", 1, 10, 0, (), (), (), (), None, True)
REQUEST = Request(rid="a/2", prompt=(Segment(name="x", length=7), Segment(name="y", length=3)), max_new=4, session="a")


def view(available=990, free_rows=7, report=REPORT, layout=None, waiting=()):
    session = SessionState("a", 1, 10, 10, 0, 0, 10, False, False)
    terms = Terms(available, 0, 0, 0, 10, 1000)
    return View(
        answer=((), report), idle=False, layout=layout,
        snapshot=Snapshot({"full": terms}, free_rows, waiting, ("a/2",), None, None, (session,)),
    )  # fmt: skip


def outcome(one, other):
    before = ((3, Line(4, 0.1, "step")), (4, Line(5, 0.125, Submit(what=REQUEST))))
    difference = Difference(operation=5, line=Line(6, 0.125, "step"), before=before, one=one, other=other)
    return Outcome(names=NAMES, operations=64, layouts=1, difference=difference)


def layout(*free):
    return Layout(
        free={"full": free}, free_rows=(), requests=(), slots=(), tree=(), ratio=0.7, batch_full=False, forwards=1
    )


def test_equal_is_one_line():
    assert list(lines(Outcome(names=NAMES, operations=640, layouts=12), PATH)) == [
        "equal: model of sglang-0.5.11 and sglang 0.5.11, 640 operations, 12 layouts"
    ]


def test_a_crash_of_both_is_said():
    crash = Crash("KeyError", "'x'")
    assert list(lines(Outcome(names=NAMES, operations=9, layouts=1, crash=crash), PATH)) == [
        "equal: model of sglang-0.5.11 and sglang 0.5.11, 9 operations, 1 layout",
        "both crash at the last of them: KeyError: 'x'",
    ]


def test_a_difference_that_does_not_come_again():
    (line,) = lines(Outcome(names=NAMES, operations=64, layouts=1, unsteady=(65, 128)), PATH)
    assert line == (
        "model of sglang-0.5.11 and sglang 0.5.11 differed somewhere in operations 65 to 128, but not when these were "
        "played once more: one of them does not do the same thing every time"
    )


def test_both_states_stand_side_by_side_and_what_differs_is_marked():
    found = list(lines(outcome(view(layout=layout(1, 2)), view(989, 6, layout=layout(2, 1))), PATH))
    assert found == [
        "the engines differ after operation 5 (out/ops.jsonl:6, 0.125 s): step",
        "before it:",
        "  3  0.1         step",
        "  4  0.125       submit a/2: prompt 10, output 4, session a",
        "                     model of sglang-0.5.11              sglang 0.5.11",
        "  iteration          7                                   7",
        "  batch              prefill of 1, 10 tokens, 0 decode   prefill of 1, 10 tokens, 0 decode",
        "  idle               no                                  no",
        "≠ full available     990                                 989",
        "  full evictable     0                                   0",
        "  full protected     0                                   0",
        "  full session_held  0                                   0",
        "  full uncached      10                                  10",
        "≠ full sum − total   0                                   -1",
        "≠ free rows          7                                   6",
        "  waiting            none                                none",
        "  running            a/2                                 a/2",
        "  chunked            –                                   –",
        "  last batch         –                                   –",
        "  session a          row 1 c 10 a 10 p 0 e 0 history 10  row 1 c 10 a 10 p 0 e 0 history 10",
        "in memory, index by index (model of sglang-0.5.11 | sglang 0.5.11):",
        "  free list of full (2), from index 0: [1] 2 | [2] 1",
    ]


def test_no_line_is_wider_than_a_terminal():
    many = tuple(f"request-{number}" for number in range(40))
    long = "x" * 300
    odd = view(waiting=(*many, long), report=(*REPORT[:5], many, *REPORT[6:]))
    found = list(lines(outcome(odd, view()), PATH))
    assert max(len(line) for line in found[4:]) <= WIDTH
    assert "".join("".join(found).split()).count("request-39") == 2


def test_beside_a_crash_only_the_crash_is_marked():
    crash = View(crash=Crash("KeyError", "'x'\nof y", ("a.py:1 f", "b.py:2 g")))
    found = list(lines(outcome(view(), crash), PATH))
    marked = [line for line in found if line.startswith("≠")]
    assert [line.split("  ")[0] for line in marked] == ["≠ crash", "≠ raised at"]
    assert marked[0].endswith("KeyError: 'x' of y")
    assert marked[1].endswith("a.py:1 f → b.py:2 g")


def test_operations_in_a_few_words():
    request = Request(rid="r", prompt=(), max_new=1, stop_at=3)
    assert [told(what) for what in (
        "step", Open(session="a"), Open(session="a", timeout=1.5), Submit(what=request), Abort(request="a/"),
        Close(session="a"), Expire(session="a"), Retract(rids=None, how="pause"),
        Retract(rids=("a", "b"), how="memory"), Refuse(request="r", times=2),
    )] == [
        "step", "open a", "open a timeout 1.5 s", "submit r: prompt 0, output 1, stop at 3", "abort a/", "close a",
        "expire a", "retract all (pause)", "retract a b (memory)", "refuse r 2 times",
    ]  # fmt: skip


def test_the_document():
    data = json.loads(json.dumps(to_json(outcome(view(layout=layout(1)), view(989, layout=layout(2))), PATH)))
    difference = data.pop("difference")
    assert data == {
        "ops": "out/ops.jsonl", "engines": list(NAMES), "equal": False, "operations": 64, "layouts": 1, "crash": None,
        "unsteady": None,
    }  # fmt: skip
    assert {key: difference[key] for key in ("operation", "line", "t", "op")} == {
        "operation": 5, "line": 6, "t": 0.125, "op": "step",
    }  # fmt: skip
    assert difference["before"][1]["request"]["rid"] == "a/2"
    assert [v["snapshot"]["pools"]["full"][0] for v in difference["views"]] == [990, 989]
    assert difference["views"][0]["report"]["prefill_tokens"] == 10
    assert difference["layout"] == ["free list of full (1), from index 0: [1] | [2]"]


def test_the_document_of_a_crash():
    crash = View(crash=Crash("KeyError", "'x'", ("a.py:1 f",)))
    data = to_json(outcome(view(), crash), PATH)["difference"]
    assert data["views"][1] == {"crash": {"kind": "KeyError", "message": "'x'", "frames": ["a.py:1 f"]}}
    assert data["layout"] == []
