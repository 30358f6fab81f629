"""What stands at an event is what happened at it, though a release tells of it in its next iteration."""

from pathlib import Path
from typing import Any

import pytest
from helpers.looked import save_lines

from reports.log import events_at


def event(number: int, kind: str, waiting: int, **more: Any) -> dict[str, Any]:
    return {"event": number, "t": number / 100, "kind": kind, "running": 2, "waiting": waiting} | more


PAUSE = [
    event(1, "decode", 1),
    event(2, "retract", 3),
    event(3, "submit", 4, request="d/1"),
    event(4, "prefill", 2, retracted=["a/1", "b/1", "c/1"]),
]
MEMORY = [event(1, "decode", 0), event(2, "retract", 0, request="a/1"), event(3, "decode", 1, retracted=["a/1"])]
QUEUED = [event(1, "decode", 2), event(2, "abort", 1, request="a"), event(3, "idle", 1, aborted=["a/1", "b/1"])]
RUNNING = [event(1, "decode", 2), event(2, "abort", 2, request="b/1"), event(3, "decode", 2, aborted=["b/1"])]
TWICE = [
    event(1, "decode", 0),
    event(2, "retract", 1, request="a/1"),
    event(3, "close", 0, session="a"),
    event(4, "idle", 0, retracted=["a/1"], aborted=["a/1"]),
]


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (PAUSE, {2: {"retracted": ["a/1", "b/1"]}, 4: {"retracted": ["c/1"]}}),
        (MEMORY, {3: {"retracted": ["a/1"]}}),
        (QUEUED, {2: {"aborted": ["a/1"]}, 3: {"aborted": ["b/1"]}}),
        (RUNNING, {3: {"aborted": ["b/1"]}}),
        (TWICE, {2: {"retracted": ["a/1"]}, 3: {"aborted": ["a/1"]}}),
    ],
)
def test_names_stand_at_the_event_at_which_it_happened(
    tmp_path: Path, log: list[dict[str, Any]], told: dict[int, dict[str, list[str]]]
) -> None:
    save_lines(tmp_path / "events.jsonl", log)
    numbers = [line["event"] for line in log]
    for wanted in (numbers, *([n] for n in numbers)):
        found = events_at(tmp_path, wanted)
        assert [line["event"] for line in found] == wanted
        for line in found:
            lists = {name: line[name] for name in ("retracted", "aborted") if name in line}
            assert lists == told.get(line["event"], {})


def test_what_an_interrupted_run_never_told_is_not_made_up(tmp_path: Path) -> None:
    save_lines(tmp_path / "events.jsonl", PAUSE[:3])
    assert events_at(tmp_path, [2, 3, 4]) == PAUSE[1:3]
