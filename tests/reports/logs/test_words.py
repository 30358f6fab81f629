"""What a reader is told of a log, in sentences."""

from __future__ import annotations

import pytest
from helpers.loglines import begun, crash, decode, idle, leaking, prefill, sound, stamp, terms

from reports.logs.drift import Drift
from reports.logs.page import page
from reports.logs.text import lines
from reports.logs.words import clean, drift_words, sentences

LATE = "since when"


def told(result) -> str:
    return "\n".join(sentences(result.findings[0]))


@pytest.mark.parametrize(
    "start", [begun(0, "TP0"), begun(0, "TP1"), f"{stamp(0)}server_args=ServerArgs(model_path='m', tp_size=2)\n"]
)
def test_a_log_that_begins_with_the_start_can_tell_since_when(read, start):
    said = told(read(start + prefill(1, "TP0") + idle(9, -3, "TP0")))
    assert "first off at line 3, 2026-01-01 00:00:09; since the start at line 1 no check had complained" in said
    assert LATE not in said


def test_a_log_that_begins_later_cannot(read):
    assert "a log cannot tell since when: nothing is known of the time before its first line" in told(
        read(prefill(1, "TP0") + idle(9, -3, "TP0") + decode(10, "TP0"))
    )


def test_each_start_is_its_own(read):
    again = read(prefill(1, "TP0") + idle(9, -3, "TP0") + begun(20, "TP0") + idle(30, -1, "TP0"))
    first, second = ("\n".join(sentences(finding)) for finding in again.findings)
    assert LATE in first
    assert "since the start at line 3" in second


def test_numbers_have_one_form_wherever_they_stand(read):
    big = f"{stamp(9)}pool memory leak detected! {terms(-1500, 1_000_400)}\n"
    said = told(read(begun(0) + big))
    assert "1\u202f500 of 1\u202f000\u202f400 missing while nothing ran (1 check off)" in said
    text = "\n".join(lines(read("".join(leaking("TP0")))))
    assert "−12" in text
    assert not any(f" -{digit}" in text for digit in range(10))


@pytest.mark.parametrize(("slope", "words"), [(-0.0004, "−1 for every 2\u202f500 turns"), (2, "+2 for each turn")])
def test_a_drift_is_told_in_whole_slots(slope, words):
    said = drift_words((Drift("turn", slope, 1.0, 9),))
    assert f"{words} (a line through 9 checks explains 100\u202f% of it)" in said


def by_time(retracts):
    """A token for each ten seconds; in that time two or three requests, and as many times a retract."""
    records = [begun(0)]
    for step in range(24):
        at = 10 * step
        many = 2 + step % 2
        retract = f"{stamp(at + 1)}KV cache pool is full. Retract requests. #retracted_reqs: {retracts}, #new_tokens\n"
        records += [prefill(at)] * many + [retract] * many + [idle(at + 5, -step - 1)]
    return "".join(records)


@pytest.mark.parametrize("retracts", [1, 3])
def test_what_time_explains_as_well_has_no_count_for_a_cause(read, retracts):
    said = told(read(by_time(retracts)))
    assert "drift: −6 a minute, it grows steadily: time and 3 counts fit alike, so none is named as its cause" in said
    assert "for every" not in said


def test_a_fraction_that_time_does_not_explain_is_named(read):
    records = [begun(0)]
    for step in range(24):
        records += [prefill(step * step)] * 3 + [idle(step * step + 1, -step - 1)]
    assert "−1 for every 3 admitted requests" in told(read("".join(records)))


def test_of_one_check_it_is_said_in_the_singular(read):
    assert clean(read("".join(sound(turns=1))).log) == "1 check with figures, none of them off"
    assert "(1 check off)" in told(read(prefill(0) + idle(1, -2)))
    assert "1 checks" not in " ".join(lines(read(prefill(0) + idle(1, -2)))).replace("\n", " ")


HARMFUL = "a\x1b]0;title\x07b \x1b[2Jc \x08\x08 \u202e\u2066evil \x9b2J \x00\x7f\x85\ufeff"


def test_what_a_terminal_would_obey_is_shown_and_not_done(read):
    result = read(decode(1) + crash(2, f"ValueError: {HARMFUL}"), "server\x1b[2J\u202e.log")
    text = "\n".join(lines(result))
    shown = page(result, {})
    assert r"raised: ValueError: a\x1b]0;title\x07b c \x08\x08 \u202e\u2066evil \x9b2J" in text
    for said in (text, shown):
        assert all(letter.isprintable() or letter in "\n\u202f" for letter in said)
        assert r"\u202e\u2066evil" in said
    assert r"server\x1b[2J\u202e.log" in shown
    assert "\x1b]0;title\x07b" in result.to_json()["verdicts"][0]["what"]
