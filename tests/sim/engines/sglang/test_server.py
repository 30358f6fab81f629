"""The worker's side of the wire, without a process: every line has one answer."""

import io
import json
from dataclasses import asdict

from helpers.modelworker import Watch
from helpers.rig import Rig
from helpers.wicked import Wicked, make

from sim.engines.sglang.server import serve

CONFIG = asdict(Rig().engine.config)
BEGIN = {"op": "begin", "config": CONFIG}


def answers(*messages, engine=make, watch=None):
    lines = b"".join((m if isinstance(m, bytes) else json.dumps(m).encode()) + b"\n" for m in messages)
    out = io.BytesIO()
    serve(engine, io.BytesIO(lines), out, watch)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_state_comes_with_every_answer():
    send = {"op": "submit", "request": {"rid": "r", "prompt": [{"name": "r", "length": 4}], "max_new": 3,
            "session": None, "priority": None, "ignore_eos": False, "stop_at": None, "accept": [1]}}  # fmt: skip
    found = answers(BEGIN, send, {"op": "step"}, {"op": "open", "session": "a", "timeout": 2.0})
    assert [a["state"] for a in found] == [
        [False, 0, 0, None], [False, 1, 0, None], [False, 0, 1, None], [False, 0, 1, 2.000000001],
    ]  # fmt: skip
    assert found[2]["value"][:4] == [1, "prefill", 1, 4]
    assert found[3]["value"] is True


def test_nothing_can_be_asked_before_begin():
    (found,) = answers({"op": "step"})
    assert list(found) == ["broken"]
    assert found["broken"].startswith("ValueError: nothing has begun; send begin first (server.py:")


def test_what_is_no_message_is_answered_too():
    (first, second, third) = answers(b"{", b"7", {"op": "fly"})
    assert "JSONDecodeError" in first["broken"]
    assert "no JSON object" in second["broken"]
    assert "'fly' is not known on the wire" in third["broken"]


def test_end_ends_it():
    assert len(answers(BEGIN, {"op": "end"}, {"op": "step"})) == 2


def test_begin_makes_a_fresh_engine():
    found = answers(BEGIN, {"op": "step"}, {"op": "step"}, BEGIN, {"op": "step"})
    assert [a["value"][0] for a in found if a["value"]] == [1, 2, 1]


def test_a_configuration_that_is_none_is_broken():
    (found,) = answers({"op": "begin", "config": {"pool": {}}})
    assert "tokens is missing" in found["broken"]


def test_each_event_is_observed_if_begin_asked_for_it():
    messages = [{"op": "open", "session": "a", "timeout": None}, {"op": "advance", "t": 0.5}, {"op": "step"},
                {"op": "snapshot"}, {"op": "expire", "session": "a"}, {"op": "advance", "t": 5.0},
                {"op": "observe"}]  # fmt: skip
    found = answers({**BEGIN, "audit": True}, *messages, watch=Watch)
    kinds = [a.get("seen", {}).get("kind") for a in found]
    assert kinds == [None, "open", None, "step", None, "expire", "reap", "finish"]
    assert all("seen" not in a for a in answers(BEGIN, *messages, watch=Watch))


def test_a_crash_is_observed_and_carries_the_state(monkeypatch):
    monkeypatch.setattr(Wicked, "how", "raise")
    found = answers({**BEGIN, "audit": True}, {"op": "step"}, {"op": "step"}, watch=Watch)[-1]
    assert found["crash"] == {"kind": "ValueError", "message": "pool is off", "frames": ["a.py:1 f", "b.py:2 g"]}
    assert found["seen"] == {"kind": "step", "count": 2}
    assert found["state"] == [True, 0, 0, None]


def test_an_alarm_is_told_once(monkeypatch):
    def alarming(begin):
        engine = make(begin)
        engine.alarm = ("busy check", "off by 1")
        return engine

    first, second = answers(BEGIN, {"op": "step"}, engine=alarming)
    assert first["alarm"] == ["busy check", "off by 1"]
    assert "alarm" not in second


def test_play_can_begin(monkeypatch):
    (found,) = answers({"op": "play", "config": CONFIG, "ops": [{"op": "step", "t": 0.0}] * 3, "deep": True})
    assert len(found["value"]["marks"]) == 3
    assert found["value"]["crash"] is None
