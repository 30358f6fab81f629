"""What a campaign tells in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sim.cases.kinds import EVENTS, OPERATIONS
from sim.engines.select import Choice
from sim.fuzz.accept import Accepted
from sim.fuzz.campaign import Made, Plan, Tally, case_of
from sim.fuzz.faults import Fault
from sim.fuzz.found import Found
from sim.fuzz.leave import Left
from sim.fuzz.report import WIDTH, announced, lines, missing, summary
from sim.fuzz.smallest import Smallest
from sim.fuzz.subject import Subject
from sim.fuzz.trial import Seen
from sim.ledger.verdicts import Cause, Verdict

PLAN = Plan(subject=Subject(revert=(22862,)), first_seed=7, cases=100, accepted=Accepted())
CASE = case_of(7, "sglang-0.5.11")
LONG = "row … was overwritten from … on by a turn that came back; nothing names … of session … any more"
LEAK = Fault("leak", "full", LONG)
CRASH = Fault("crash", "rows", "RuntimeError: no rows")
KNOWN = Fault("stuck", "full", "… wait")


def seen(fault, size):
    cause = Cause(fault.cause, 9, 4, 0.5, "step")
    return Seen(fault=fault, at=3, verdict=Verdict(fault.verdict, fault.pool, size, 9, 4, 0.5, None, None, cause, "…"))


def made(fault, *before, size=-1, problem=None, fixed_by=()):
    shown = (*(seen(one, -1) for one in before), seen(fault, size))
    small = Smallest(
        origin="seed 9", fault=fault, config=CASE.config, actions=CASE.actions[:4], seen=shown,
        verdicts=tuple(one.verdict for one in shown), drawn=70, attempts=100, fixed_by=fixed_by,
    )  # fmt: skip
    folder = Path("out/fuzz/leak-full-seed-9")
    return Made(small=small, left=Left(folder=folder, command=f"kvledger run {folder}/scenario.yaml", problem=problem))


@pytest.fixture
def tally():
    return Tally(
        cases=100, iterations=10_000, faulty=12, known=Counter({KNOWN: 4}), times=Counter({LEAK: 7, CRASH: 1}),
        operations=Counter(dict.fromkeys(OPERATIONS, 30)), events=Counter(dict.fromkeys(EVENTS, 12)),
    )  # fmt: skip


def test_a_finding_is_announced_with_its_size():
    found = Found(origin="seed 9", case=CASE, fault=LEAK, size=-3)
    assert announced(found) == f"seed 9: leak -3 in pool full: {LONG}"


def test_findings_what_is_known_and_what_occurred(tally):
    text = list(lines(PLAN, tally, [made(LEAK, fixed_by=(22862,)), made(CRASH, LEAK, size=0)]))
    whole = "\n".join(text)
    assert "seeds 7 to 106: 100 cases, 10,000 iterations, each checked; 12 cases with faults" in whole
    assert text.index("1 fault found") < text.index("1 fault seen only after another one, from which it may follow")
    assert "     7 cases, the first seed 9; smallest: 4 operations (drawn: 70)" in text
    assert "     goes away with 22862" in text
    assert "     kvledger run out/fuzz/leak-full-seed-9/scenario.yaml" in text
    assert "  4 × stuck in pool full: … wait" in text
    assert "did not occur" not in whole
    assert max(map(len, text)) <= WIDTH


def test_nothing_found(tally):
    assert "nothing found" in list(lines(PLAN, tally, []))


def test_a_folder_that_could_not_be_written_is_said(tally):
    assert "     no space" in list(lines(PLAN, tally, [made(LEAK, problem="no space")]))


def test_faults_of_our_own_are_said(tally):
    tally.ours.append("seed 3: books differ")
    tally.lost.append("seed 4: no process survives this case")
    text = "\n".join(lines(PLAN, tally, []))
    assert "a fault of kvledger itself: seed 3: books differ; please report it" in text
    assert "a fault of kvledger itself: seed 4: no process survives this case; please report it" in text


def test_what_did_not_occur_is_named(tally):
    del tally.events["borrow"]
    del tally.operations["refuse"]
    assert missing(PLAN, tally) == ["refuse", "borrow"]
    assert "  did not occur: refuse, borrow" in list(lines(PLAN, tally, []))


def test_of_a_real_release_only_what_it_tells_can_be_missing(tally):
    plan = replace(PLAN, subject=Subject(choice=Choice(spec="sglang==0.5.11")))
    tally.events.clear()
    assert "borrow" not in missing(plan, tally)
    assert "decode" in missing(plan, tally)


def test_the_same_as_data(tally):
    told = summary(PLAN, tally, [made(LEAK, fixed_by=(22862,))])
    (entry,) = told["findings"]
    assert entry == {
        "verdict": "leak", "pool": "full", "cause": LONG, "size": -1, "cases": 7, "first": "seed 9", "operations": 4,
        "drawn": 70, "after": [], "fixed_by": [22862], "folder": "leak-full-seed-9",
    }  # fmt: skip
    assert told["known"] == [{"verdict": "stuck", "pool": "full", "cause": "… wait", "cases": 4}]
    assert told["did_not_occur"] == []
