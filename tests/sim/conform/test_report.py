"""The table at the end of a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sim.cases.kinds import EVENTS, OPERATIONS
from sim.cases.matrix import cell_of
from sim.conform.compare import Outcome
from sim.conform.pairs import Difference, Verdict
from sim.conform.report import Tally, lines
from sim.conform.targets import parse

TARGETS = (parse("0.5.10.post1"), parse("0.5.11"))


def verdict(seed, difference=None, **events):
    outcome = Outcome(seed=seed, cell=cell_of(seed), operations=Counter({"step": 9}), events=Counter(events), length=10)
    return Verdict(outcome=outcome, difference=difference)


def difference(seed):
    return Difference(
        target=TARGETS[1], seed=seed, lines=["free rows (3): 1 | 2"], operations=4, folder=Path("out/conform/0.5.11-7")
    )


def test_a_run_without_difference_says_so():
    tally = Tally(TARGETS)
    for target in TARGETS:
        tally.add(target, [verdict(seed, decode=2, crash=1) for seed in range(5)])
    text = "\n".join(lines(tally))
    assert "0.5.10.post1                   5          50        5      0            0" in text
    assert "together                      10         100       10      0            0" in text
    assert "5 of 478 cells of the matrix, 0 to 2 cases in each" in text
    assert text.endswith("no difference")


def test_a_difference_is_told_with_its_seed_and_the_line_to_type():
    tally = Tally(TARGETS)
    tally.add(TARGETS[1], [verdict(7, difference(7))])
    text = "\n".join(lines(tally))
    assert "0.5.11, seed 7, 4 operations: free rows (3): 1 | 2" in text
    assert "kvledger replay out/conform/0.5.11-7/ops.jsonl --against sglang==0.5.11" in text
    assert "no difference" not in text


def test_a_kind_that_never_occurred_is_named():
    tally = Tally(TARGETS)
    tally.add(TARGETS[0], [verdict(1, decode=2)])
    assert set(tally.missing) == {*OPERATIONS, *EVENTS} - {"step", "decode"}
    assert f"never occurred: eviction ({EVENTS['eviction']})" in "\n".join(lines(tally))


def test_a_kind_that_occurred_on_one_target_has_occurred():
    tally = Tally(TARGETS)
    tally.add(TARGETS[0], [verdict(1, decode=2)])
    tally.add(TARGETS[1], [verdict(1, eviction=2)])
    assert not {"decode", "eviction"} & set(tally.missing)


def test_the_line_to_type_names_the_fixes_that_are_out_in_the_file_only():
    made = Difference(target=parse("0.5.11-22862"), seed=3, lines=["x"], operations=1, folder=Path("out"))
    assert made.replay == "kvledger replay out/ops.jsonl --against sglang==0.5.11"
