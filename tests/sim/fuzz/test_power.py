"""How soon a missing fix is found."""

from __future__ import annotations

import pytest

from sim.fuzz import power
from sim.fuzz.accept import Accepted
from sim.fuzz.campaign import Campaign, Plan, case_of
from sim.fuzz.faults import Fault
from sim.fuzz.found import Kept
from sim.fuzz.power import Base, Search, search

SEEDS = 300
FOUNDING = {22753, 22790, 22862, 22900, 23327}
OLD, NEW = Base(release="sglang-0.5.10"), Base(release="sglang-0.5.11")


@pytest.mark.parametrize("base", [OLD, NEW])
def test_every_founding_change_can_be_taken_out(base):
    assert set(base.fixes()) >= FOUNDING


def test_what_a_release_lacks_is_put_in_but_for_the_one():
    assert 22862 in OLD.subject().add
    assert 22213 not in OLD.subject().add, "superseded"
    without = OLD.subject(22862)
    assert 22862 not in (*without.add, *without.revert)
    assert without.add == tuple(n for n in OLD.subject().add if n != 22862)
    assert NEW.subject(22862).revert == (22862,)
    assert NEW.subject() == NEW.subject(None)


@pytest.mark.usefixtures("in_process")
def test_a_missing_fix_is_found_and_made_small():
    found = search(NEW.subject(22862), 22862, 1, Accepted(), 1)
    assert found is not None
    assert found.operations <= 12
    assert found.cases >= 1
    assert found.small >= found.seconds > 0


def test_a_row_has_the_medians(monkeypatch):
    made = [
        Search(cases=n, seconds=n / 2, small=float(n), operations=n + 1, fault=Fault("leak", "full", "x"))
        for n in (9, 1, 5, 3, 7)
    ]
    monkeypatch.setattr(power, "search", lambda *_: made.pop())
    line = power.row(NEW, 22862, NEW.subject(22862), Accepted(), 2)
    assert line == "| sglang-0.5.11 | 22862 | 5 of 5 | 5 | 2.5 | 5.0 | 6 | leak in full |"


def test_what_two_seeds_do_not_find_is_given_up(monkeypatch):
    tried = []
    monkeypatch.setattr(power, "search", lambda *given: tried.append(given))
    subject = NEW.subject(22900, power.AHEAD)
    line = power.row(NEW, 22900, subject, Accepted(), 2)
    assert line == "| sglang-0.5.11 | 22900, clock: reserved | 0 of 2 | – | – | – | – | – |"
    assert len(tried) == 2


@pytest.mark.usefixtures("in_process")
def test_the_cap_of_the_cursor_is_missed_with_the_clock_that_runs_ahead_and_with_no_other():
    cases = (case_of(seed, NEW.release) for seed in range(SEEDS))
    kept = [Kept(origin="", case=c) for c in cases if c.config.pool.swa and c.config.scheduler.speculative]

    def shown(*missing, clock):
        subject = NEW.subject(*missing, decide=(("clock", clock),))
        return Campaign(Plan(subject=subject, first_seed=0, cases=0, kept=tuple(kept), jobs=1)).unknown()

    ((_, ahead),) = power.AHEAD
    assert any(f.verdict == "watermark" and f.pool == "swa" for f in shown(22900, clock=ahead) - shown(clock=ahead))
    assert shown(22900, clock="committed") == shown(clock="committed")
