"""Which events are looked at: every marked one, the first and the last, and never more than can be paid for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.retrace.plan import AFTER, BEFORE, MOST_MOMENTS, MOST_SAMPLES, plan, plan_of

names = st.sampled_from([None, "a", "b"])


@st.composite
def outcomes(draw):
    """A number of events, and verdicts within them."""
    events = draw(st.integers(1, 5000))
    at = st.integers(1, events)
    verdict = st.builds(
        lambda cause, later, seen, request, session, what: {
            "event": max(cause, later), "request": request, "session": session,
            "cause": {"event": cause, "what": what, "request": None, "session": None},
        } | ({} if seen is None else {"detected_event": max(cause, seen)}),
        at, at, st.none() | at, names, names, st.sampled_from("xy"),
    )  # fmt: skip
    return events, draw(st.lists(verdict, max_size=12))


@given(outcomes(), st.integers(1, 10**9))
def test_samples_are_within_the_run_few_enough_and_hold_its_ends(outcome, slots):
    events, verdicts = outcome
    samples = plan(events, verdicts, slots).samples
    assert {1, events} <= samples <= set(range(1, events + 1))
    assert len(samples) <= MOST_SAMPLES
    if events <= MOST_SAMPLES and slots < 1000:
        assert samples == set(range(1, events + 1))


@given(outcomes())
def test_every_cause_and_detection_is_sampled(outcome):
    events, verdicts = outcome
    samples = plan(events, verdicts, 1000).samples
    for verdict in verdicts:
        assert {verdict["event"], verdict["cause"]["event"], verdict.get("detected_event", 1)} <= samples


@given(outcomes())
def test_a_window_covers_its_cause_and_whom_its_verdicts_name(outcome):
    events, verdicts = outcome
    windows = plan(events, verdicts, 1000).windows
    causes = {(v["cause"]["event"], v["cause"]["what"]) for v in verdicts}
    assert len(windows) == min(len(causes), MOST_MOMENTS)
    for window in windows:
        near = range(max(1, window.event - BEFORE), min(events, window.event + AFTER) + 1)
        assert set(near) <= set(window.events)
        assert list(window.events) == sorted(window.events)
        for number in window.verdicts:
            verdict = verdicts[number]
            assert verdict["cause"]["event"] == window.event
            assert {verdict["request"]} - {None} <= window.requests
            assert {verdict["session"]} - {None} <= window.sessions
            assert verdict.get("detected_event", window.event) in window.events


@pytest.mark.parametrize("text", ["", "[]", '{"variants": {}}', '{"variants": {"v": {"events": 1}}}', "\udcff"])
def test_what_is_no_verdicts_json_is_said_in_one_line(tmp_path, text):
    (tmp_path / "verdicts.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"verdicts\.json:1:1: this is not what a run wrote; run the scenario again"):
        plan_of(tmp_path, "v", 10)


def test_a_plan_is_read_from_a_folder(tmp_path):
    outcome = {"events": 3, "verdicts": []}
    (tmp_path / "verdicts.json").write_text(json.dumps({"variants": {"v": outcome}}))
    assert plan_of(tmp_path, "v", 10).samples == {1, 2, 3}


@given(outcomes())
def test_of_a_huge_pool_only_what_is_nearest_is_looked_at(outcome):
    events, verdicts = outcome
    told = plan(events, verdicts, 10**8)
    assert len(told.samples) <= 4
    for window in told.windows:
        assert {max(1, window.event - 1), window.event} <= set(window.events)
    assert len(told.closely) <= 5 * 3 * max(1, len(verdicts))
