"""The table that a run prints: what, where, when and why, within its width."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sim.paint import coloured
from sim.result import LeftOut, Result
from sim.table import WIDTH, left_out_lines, summary, table


def result(make_verdict, count, **fields):
    given = {
        "scenario": "pr22862-retract-tail", "variant": "before", "release": "sglang-0.5.11",
        "reverted": (22862,), "added": (), "engine": "model", "events": 90, "checks": 90, "iterations": 40,
        "time": 1.0, "ending": "done",
        "verdicts": tuple(make_verdict(event=41 + n) for n in range(count)),
    }  # fmt: skip
    return Result(**(given | fields))


def test_the_table_says_what_where_when_and_why(make_verdict):
    assert list(table([result(make_verdict, 1), result(make_verdict, 0, variant="after")])) == [
        "scenario              variant  verdict  pool  size  event  it  seen by the release",
        "pr22862-retract-tail  before   leak     full    -1     41  21  busy check +4",
        "    cause: row 3 forgets slot 17 (step of a/1 a; event 40, iteration 20, 0.4 s, 1 slot; INV-1)",
        "pr22862-retract-tail  after    clean                   90  40",
    ]


def test_work_that_waits_is_counted_by_requests_and_has_no_sign(make_verdict):
    stuck = make_verdict(verdict="stuck", pool="swa", size=3, invariant="INV-9")
    stuck.cause.count = 3
    lines = list(table([result(make_verdict, 0, verdicts=(stuck,))]))
    assert lines[1] == "pr22862-retract-tail  before   stuck    swa      3     41  21  busy check +4"
    assert lines[2].endswith(", 0.4 s, 3 requests; INV-9)")


@pytest.mark.parametrize("length", [10, 60, 90])
def test_the_table_fits_its_width_whatever_the_names_and_cuts_none(make_verdict, length):
    long = result(make_verdict, 1, scenario="s" * length, variant="v" * 40, unmet=("x" * 300 + " y",))
    lines = list(table([long]))
    assert max(map(len, lines)) <= WIDTH
    for name in (long.scenario, long.variant, "busy check +4"):
        assert any(name in line for line in lines)


def test_many_verdicts_are_counted_and_not_listed(make_verdict):
    lines = list(table([result(make_verdict, 40)]))
    assert lines[-1] == "    … and 32 more verdicts, all in verdicts.json"
    assert len(lines) == 1 + 8 * 2 + 1


def test_a_scenario_is_as_expected_if_all_its_variants_are(make_verdict):
    good, bad = result(make_verdict, 0), result(make_verdict, 1, variant="after")
    other = result(make_verdict, 0, scenario="other")
    judged = replace(other, judged=True)
    assert summary([good, bad, judged]) == "2 scenarios, 1 as expected"
    assert summary([good, bad, other]) == "2 scenarios, 1 clean; nothing was expected"


def test_colours_change_no_column(make_verdict):
    given = [result(make_verdict, 1), result(make_verdict, 0, variant="after", unmet=("x",)), result(make_verdict, 0)]
    lines = list(table(given, coloured))
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines] == list(table(given))
    words = {re.sub(r".*\x1b\[([0-9;]+)m(\w+)\x1b.*", r"\1 \2", line) for line in lines if "  \x1b" in line}
    assert words == {"1;31 leak", "1;31 clean", "32 clean"}


def test_what_was_expected_is_told_apart_from_what_was_not(make_verdict):
    line = list(table([result(make_verdict, 1, judged=True)], coloured))[1]
    assert "\x1b[33mleak\x1b[0m" in line


def test_verbose_says_every_verdict_with_its_message_and_how_to_play_it_again(make_verdict):
    lines = list(table([result(make_verdict, 40, folder=Path("out/s/v"))], verbose=True))
    assert max(map(len, lines)) <= WIDTH
    assert sum("busy check +4" in line for line in lines) == 40
    assert lines[-2:] == [
        "    sglang-0.5.11 without 22862, engine model: 90 events, 40 iterations, 90 audits, 1 s simulated",
        "    again: kvledger replay out/s/v/ops.jsonl",
    ]
    assert sum(make_verdict().message[:30] in line for line in lines) == 40


@pytest.mark.parametrize("width", [50, 80, 100])
def test_on_a_narrow_terminal_every_line_fits_and_no_number_is_broken(make_verdict, width):
    verdict = make_verdict(verdict="false-alarm", size=-123456, event=1234567, iteration=765432)
    given = [
        result(make_verdict, 0, verdicts=(verdict,), variant="without-22862-and-22790"),
        result(make_verdict, 0, variant="after", unmet=("s.yaml:13:12: leak in full of -1 was not found",)),
    ]
    lines = list(table(given, width=width, verbose=True))
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for whole in ("-123456", "1234567", "765432", "false-alarm", "pr22862", "s.yaml:13:12:", "event 40, iteration 20"):
        assert whole in text


def test_with_fifty_columns_the_names_stand_above_and_who_has_seen_it_below(make_verdict):
    given = [result(make_verdict, 1), result(make_verdict, 0, variant="after")]
    assert list(table(given, width=50)) == [
        "  verdict  pool  size  event  it",
        "pr22862-retract-tail before",
        "  leak     full    -1     41  21",
        "    seen by the release: busy check +4",
        "    cause: row 3 forgets slot 17 (step of a/1 a;",
        "      event 40, iteration 20, 0.4 s, 1 slot;",
        "      INV-1)",
        "pr22862-retract-tail after",
        "  clean                   90  40",
    ]


def test_what_is_left_out_is_wrapped():
    given = [LeftOut(scenario="one", variant="before", reason="it is of a release that nobody has")]
    assert list(left_out_lines(given, "sglang 0.5.11", 40)) == [
        "left out, as sglang 0.5.11 cannot run it:",
        "  one  before  it is of a release that",
        "    nobody has",
    ]
