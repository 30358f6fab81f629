"""A damaged line is told with file, line and column; one that was cut off is left out with a word."""

from __future__ import annotations

import json

import pytest

from reports import ReportError
from reports.events import read_events
from reports.states import read_changes

ADVICE = "; run the scenario again with --out"
GOOD = '{"event":1,"t":0.0,"it":0,"kind":"open","session":"a","full":[9,0,0,0,0],"running":0,"waiting":0}\n'
LIFE = '{"event":1,"t":0.0,"session":"a","state":"open"}\n'


def complaint(read, path, said=None):
    with pytest.raises(ReportError) as caught:
        read(path, (said if said is not None else []).append)
    text = str(caught.value)
    assert text.endswith(ADVICE)
    return text.removeprefix(f"{path}:").removesuffix(ADVICE)


def events(path, say):
    return list(read_events(path, say)[1])


def lives(path, say):
    return list(read_changes(path, say))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{oops}\n", "2:2: this is not JSON (expecting property name enclosed in double quotes)"),
        (b"\n", "2:1: this is not JSON (expecting value)"),
        (b"[1]\n", "2:1: this line is no JSON object"),
        (b'{"event":"\xff"}\n', "2:11: this is not UTF-8 text"),
        (b'{"event":"\\ud800"}\n', "2:11: half a pair of surrogates is no text"),
        (b'{"event":' + b"9" * 5000 + b"}\n", "2:1: a number here is too long"),
        (b"[" * 100_000 + b"\n", "2:1: nested too deep"),
    ],
)
def test_what_is_no_object_is_told(tmp_path, line, said):
    path = tmp_path / "events.jsonl"
    path.write_bytes(GOOD.encode() + line + GOOD.encode())
    assert complaint(events, path) == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"event": 1}, "2:2: event 1 comes after event 1"),
        ({"event": 2.0}, "2:2: event is 2.0 and must be a whole number"),
        ({"event": True}, "2:2: event is true and must be a whole number"),
        ({"event": 1 << 53}, "2:2: event is 9007199254740992 and must be a whole number"),
        ({"t": float("nan")}, "2:12: t is NaN and must be seconds from 0 on"),
        ({"t": -1.0}, "2:12: t is -1.0 and must be seconds from 0 on"),
        ({"t": 1e10}, "2:12: t is 10000000000.0 and must be seconds from 0 on"),
        ({"kind": None}, "2:27: kind is null and must be a text"),
        ({"session": ["a"]}, '2:41: session is ["a"] and must be a text'),
        ({"full": [1, 2, 3, 4]}, "2:55: full is [1, 2, 3, 4] and must be a list of five whole numbers"),
        ({"full": [1, 2, 3, 4, 0.5]}, "2:55: full is [1, 2, 3, 4, 0.5] and must be a list of five whole numbers"),
        ({"mamba": [1, 2, 3, 4, 5]}, "2:1: the pools here are full and mamba, before they were full"),
        ({"delta": "1"}, '2:98: delta is "1" and must be a whole number'),
        ({"finished": ["a", 1]}, '2:98: finished is ["a", 1] and must be a list of texts'),
        ({"verdicts": 1}, "2:98: verdicts is 1 and must be a list of whole numbers"),
    ],
)
def test_a_wrong_value_is_told_where_it_stands(tmp_path, changed, said):
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD + json.dumps(json.loads(GOOD) | {"event": 2} | changed, separators=(",", ":")) + "\n")
    assert complaint(events, path) == said


@pytest.mark.parametrize("key", ["event", "t", "it", "kind", "running", "waiting"])
def test_what_every_event_has_must_not_be_missing(tmp_path, key):
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps({k: v for k, v in json.loads(GOOD).items() if k != key}) + "\n")
    assert complaint(events, path) == f"1:1: {key} is missing"


def test_time_must_not_go_back(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD.replace("0.0", "0.5") + GOOD.replace('"event":1', '"event":2'))
    assert complaint(events, path) == "2:12: t goes back from 0.5 to 0.0"


def test_keys_of_a_later_version_do_no_harm(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD.replace('"waiting":0', '"waiting":0,"later":{"x":[1]}'))
    (event,) = events(path, print)
    assert (event.number, event.session, event.books["full"].total) == (1, "a", 9)


@pytest.mark.parametrize("cut", [1, 20, 50, len(GOOD) - 2])
def test_the_last_line_of_an_interrupted_run_is_left_out_with_a_word(tmp_path, cut):
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD + GOOD.replace('"event":1', '"event":2')[:cut])
    said: list[str] = []
    assert [e.number for e in events(path, said.append)] == [1]
    assert said == [f"{path}:2: the last line is cut off, and left out"]


def test_a_last_line_without_its_line_feed_is_whole(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD.rstrip("\n"))
    said: list[str] = []
    assert (len(events(path, said.append)), said) == (1, [])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"state": "asleep"}, "2:34: 'asleep' is no state; it must be one of open, turn, held, closed"),
        (
            {"request": "a/1", "state": "held"},
            "2:34: 'held' is no state; it must be one of "
            "queued, prefill, decode, retracted, finished, aborted",
        ),
        ({"event": 0}, "2:2: event 0 comes after event 1"),
        ({"session": 3}, "2:20: session is 3 and must be a text"),
    ],
)
def test_a_wrong_life_is_told_where_it_stands(tmp_path, changed, said):
    path = tmp_path / "lives.jsonl"
    path.write_text(LIFE + json.dumps(json.loads(LIFE) | changed, separators=(",", ":")) + "\n")
    assert complaint(lives, path) == said


def test_a_life_is_somebodys(tmp_path):
    path = tmp_path / "lives.jsonl"
    path.write_text('{"event":1,"t":0.0,"state":"open"}\n')
    assert complaint(lives, path) == "1:1: request and session are missing"
