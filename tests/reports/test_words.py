"""Verdicts in plain words."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.data import Cause, Outcome, Run, Verdict
from reports.numbers import count
from reports.words import briefly, runs, sentence, short_verdict


def outcome(kind: str, pool: str, size: int) -> Outcome:
    verdict = Verdict(verdict=kind, pool=pool, size=size, event=7)
    return Outcome(release="r", events=9, checks=9, iterations=4, ok=False, verdicts=(verdict,))


@pytest.mark.parametrize(
    ("kind", "pool", "size", "short", "long"),
    [
        ("leak", "full", -3, "leak −3", "leak, −3 in the full pool since event 7: "),
        ("stuck", "swa", 41, "stuck 41 requests", "stuck, 41 requests in the swa pool since event 7: "),
        ("stuck", "full", 1, "stuck 1 request", "stuck, 1 request in the full pool since event 7: "),
        ("crash", "mamba", 0, "crash", "crash since event 7: "),
        ("leak", "rows", -1, "leak −1", "leak, −1 in the rows since event 7: "),
    ],
)
def test_a_size_has_its_sign_and_work_that_waits_is_requests(
    kind: str, pool: str, size: int, short: str, long: str
) -> None:
    assert short_verdict(outcome(kind, pool, size)) == short
    assert sentence(outcome(kind, pool, size)).startswith(long)


def found(kind: str, pool: str, size: int, slots: list[int], number: int) -> Outcome:
    cause = Cause(what="it happened", event=7, iteration=3, slots=tuple(slots), count=number, session="a")
    verdict = Verdict(verdict=kind, pool=pool, size=size, event=9, cause=cause)
    return Outcome(release="r", events=9, checks=9, iterations=4, ok=False, verdicts=(verdict,))


@pytest.mark.parametrize(
    ("kind", "pool", "size", "slots", "number", "told"),
    [
        ("leak", "full", -1, [26], 1, "pool since event 7, iteration 3: slot 26 belongs to nobody."),
        ("silent", "full", -4, [17, 18, 19, 30], 4, ": slots 17–19 and 30 belong to nobody."),
        ("leak", "mamba", -9, [1, 3], 9, ": states 1 and 3 and 7 more belong to nobody."),
        ("leak", "rows", -1, [2], 1, ": row 2 belongs to nobody."),
        ("double-free", "swa", 2, [5, 6], 2, ": slots 5–6 are free twice or in two hands."),
    ],
)
def test_the_sentence_names_whose_slots_are_lost_since_when_and_why(
    kind: str, pool: str, size: int, slots: list[int], number: int, told: str
) -> None:
    said = sentence(found(kind, pool, size, slots, number))
    assert told in said
    assert "Cause: it happened (a); the release's own checks never see it." in said


def test_a_false_alarm_that_nobody_raises_is_no_blindness_of_the_checks() -> None:
    said = sentence(found("false-alarm", "mamba", -1, [], 1))
    assert ": the books are off, the memory is fine. Cause: it happened (a); no check of the release looks" in said
    assert said.endswith("looks at these books while they are off, so none raises the alarm.")


@given(st.lists(st.integers(0, 30)))
def test_runs_are_the_slots(slots: list[int]) -> None:
    found = runs(slots)
    assert [slot for first, many in found for slot in range(first, first + many)] == slots
    assert all(a + many != b for (a, many), (b, _) in pairwise(found))


def test_a_run_that_was_broken_off_is_not_called_clean() -> None:
    unmet = ("the run was broken off: KeyboardInterrupt",)
    broken = Outcome(release="r", events=9, checks=9, iterations=4, ok=False, unmet=unmet)
    assert short_verdict(broken) == "broken off"
    assert sentence(broken).startswith("the run was broken off: KeyboardInterrupt, after event 9;")


def test_a_variant_is_told_by_the_worst_that_was_found_in_it() -> None:
    alarm = Verdict(verdict="false-alarm", pool="full", size=6, event=3)
    wrong = Verdict(verdict="corrupt", pool="full", size=12, event=7)
    both = Outcome(release="r", events=9, checks=9, iterations=4, ok=False, verdicts=(alarm, wrong, alarm))
    assert short_verdict(both) == "corrupt +12, false-alarm +6 (2×)"
    assert sentence(both).startswith("corrupt, +12 in the full pool since event 7: a position does not hold what")
    assert sentence(both).endswith(" 2 more verdicts.")


def run_of(variant: str, *found: Verdict) -> Run:
    outcome = Outcome(release="r", events=9, checks=9, iterations=4, ok=True, verdicts=found)
    return Run(Path(), "s", variant, outcome, None, {})  # type: ignore[arg-type]


def test_variants_with_one_kind_of_verdict_are_told_together_by_the_worst_of_the_first() -> None:
    alarm = Verdict(verdict="false-alarm", pool="full", size=6, event=3)
    leak = Verdict(verdict="leak", pool="swa", size=-2, event=1200, cause=Cause(what="it happened", event=1100))
    found = [
        run_of("before", alarm, leak),
        run_of("after"),
        run_of("reverted", leak),
        run_of("old", alarm),
        run_of("capped"),
    ]
    said = f"leak, −2 in the swa pool since event {count(1100)}: it happened"
    assert briefly(found) == [
        ("before", f" (likewise reverted): {said} (1 more verdict)"),
        ("after", " (likewise capped): clean"),
        ("old", ": false-alarm, +6 in the full pool since event 3: the books are off, the memory is fine"),
    ]
