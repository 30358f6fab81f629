"""A verdict's text and JSON: what reports, scripts and readers depend on."""

import json

import pytest

from sim.ledger.verdicts import INVARIANTS, Cause, Verdict

KEYS = [
    "verdict", "invariant", "pool", "size", "event", "iteration", "time", "request", "session", "cause", "detected_by",
    "detected_event", "detected_iteration", "latency_events", "message",
]  # fmt: skip


def leak(**more):
    cause = Cause("row 1 was overwritten from 21 on", 8, 5, 0.07, "step", "a/1", "a", [22], 1)
    return Verdict("leak", "full", -1, 9, 6, 0.08, "a/1", "a", cause, "1 slot lost; off by -1", **more)


def test_the_text_says_what_where_who_why_and_who_sees_it():
    verdict = leak()
    verdict.detect("busy check", 12, 9)
    assert verdict.text() == (
        "leak -1 in pool full (INV-3) at event 9, iteration 6, 0.080000 s, request a/1 session a\n"
        "  1 slot lost; off by -1\n"
        "  cause: event 8 (step): row 1 was overwritten from 21 on\n"
        "  the release sees it at iteration 9 (busy check), 4 events after the cause"
    )


def test_the_text_of_what_nobody_sees_and_nobody_owns():
    verdict = leak()
    verdict.request = verdict.session = None
    assert verdict.text() == (
        "leak -1 in pool full (INV-3) at event 9, iteration 6, 0.080000 s\n"
        "  1 slot lost; off by -1\n"
        "  cause: event 8 (step): row 1 was overwritten from 21 on\n"
        "  the release's own checks never see it"
    )


def test_a_false_alarm_that_nobody_raises_is_no_blindness_of_the_checks():
    cause = Cause("request r2 owns 1 state, the books count none of it", 13, 10, 1.0, "step", "r2", None, [], 1)
    verdict = Verdict("false-alarm", "mamba", -1, 13, 10, 1.0, "r2", None, cause, "off by -1")
    assert verdict.text().endswith(
        "\n  no check of the release looks at these books while they are off, so none raises the alarm"
    )


def test_work_that_waits_is_counted_by_requests():
    cause = Cause("41 wait", 8, 5, 0.07, "step", "a/1", None, [], 41)
    verdict = Verdict("stuck", "swa", 41, 8, 5, 0.07, "a/1", None, cause, "41 wait")
    assert verdict.text().startswith("stuck 41 requests in pool swa (INV-9) at event 8, ")


@pytest.mark.parametrize(
    ("kind", "pool", "said"),
    [("leak", "full", "2 slots"), ("alias", "mamba", "2 states"), ("leak", "rows", "2 rows"),
     ("stuck", "mamba", "2 requests")],
)  # fmt: skip
def test_a_verdict_is_measured_in_what_it_is_about(kind, pool, said):
    verdict = leak()
    verdict.verdict, verdict.pool = kind, pool
    assert verdict.measured(2) == said


def test_the_json_form():
    verdict = leak()
    verdict.detect("idle check", 12, 9)
    assert verdict.to_json() == {
        "verdict": "leak",
        "invariant": "INV-3",
        "pool": "full",
        "size": -1,
        "event": 9,
        "iteration": 6,
        "time": 0.08,
        "request": "a/1",
        "session": "a",
        "cause": {
            "what": "row 1 was overwritten from 21 on",
            "event": 8,
            "iteration": 5,
            "time": 0.07,
            "op": "step",
            "request": "a/1",
            "session": "a",
            "slots": [22],
            "count": 1,
        },
        "detected_by": "idle check",
        "detected_event": 12,
        "detected_iteration": 9,
        "latency_events": 4,
        "message": "1 slot lost; off by -1",
    }


def test_the_keys_stand_in_a_fixed_order_and_are_plain_json():
    found = leak().to_json()
    assert list(found) == KEYS
    assert json.loads(json.dumps(found)) == found


def test_undetected_is_never_and_has_no_latency():
    found = leak().to_json()
    assert (found["detected_by"], found["detected_event"], found["latency_events"]) == ("never", None, None)


def test_only_the_first_detection_counts():
    verdict = leak()
    verdict.detect("busy check", 12, 9)
    verdict.detect("idle check", 40, 30)
    assert (verdict.detected_by, verdict.detected_event, verdict.latency_events) == ("busy check", 12, 4)


def test_times_are_whole_nanoseconds():
    verdict = leak()
    verdict.time = verdict.cause.time = 0.1 + 0.2
    found = verdict.to_json()
    assert (found["time"], found["cause"]["time"]) == (0.3, 0.3)


@pytest.mark.parametrize(
    ("kind", "invariant"),
    [
        ("leak", "INV-3"), ("double-free", "INV-3"), ("alias", "INV-3"), ("silent", "INV-3"), ("false-alarm", "INV-1"),
        ("watermark", "INV-4"), ("corrupt", "INV-6"), ("crash", "INV-8"), ("stuck", "INV-9"),
    ],
)  # fmt: skip
def test_each_kind_cites_its_invariant(kind, invariant):
    cause = Cause("", 0, 0, 0.0, "step")
    assert Verdict(kind, "full", 0, 0, 0, 0.0, None, None, cause, "").invariant == invariant
    assert len(INVARIANTS) == 9


def test_another_invariant_may_be_named():
    assert leak(invariant="INV-7").invariant == "INV-7"
