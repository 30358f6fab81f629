"""Many seeds: what is found, in which order, the same whoever plays them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from helpers import breaking

from sim.cases.pools import startable
from sim.errors import InputError
from sim.fuzz import assert_clean
from sim.fuzz.accept import Accepted, KnownFault
from sim.fuzz.campaign import LENGTH, Campaign, Made, Plan, case_of, play
from sim.fuzz.found import Found, Kept
from sim.fuzz.report import lines, summary
from sim.fuzz.smallest import can_be_written
from sim.fuzz.subject import Subject
from sim.fuzz.trial import Player
from sim.ledger.auditor import OurFault

WITHOUT = Subject(revert=(22862,))
PLAN = Plan(subject=WITHOUT, first_seed=1, cases=40, jobs=2, attempts=300)


def known(*faults, ends=False):
    return Accepted(KnownFault(verdict=f.verdict, pool=f.pool, cause=f.cause, ends=ends) for f in faults)


def run(plan):
    campaign = Campaign(plan)
    news = [one for one in campaign.run() if one is not None]
    return campaign, [n for n in news if isinstance(n, Found)], [n for n in news if isinstance(n, Made)]


@pytest.fixture(scope="module")
def whole():
    return run(PLAN)


def test_each_fault_is_found_once_by_its_first_seed_and_made_small(whole):
    _, found, made = whole
    seeds = [int(one.origin.removeprefix("seed ")) for one in found]
    assert seeds == sorted(seeds)
    assert len({one.fault for one in found}) == len(found)
    assert [one.small.fault for one in made] == [one.fault for one in found]
    assert all(one.small.operations <= one.small.drawn for one in made)


def test_the_fix_that_takes_it_away_is_named(whole):
    _, _, made = whole
    fixed = [one.small for one in made if 22862 in one.small.fixed_by]
    assert any(small.fault.verdict == "leak" and small.operations <= 12 for small in fixed)


def test_one_process_and_two_tell_the_same(whole):
    campaign, _, made = whole
    alone, _, again = run(replace(PLAN, jobs=1))
    assert list(lines(PLAN, campaign.tally, made)) == list(lines(PLAN, alone.tally, again))
    assert summary(PLAN, campaign.tally, made) == summary(PLAN, alone.tally, again)
    assert [(m.small.config, m.small.actions) for m in made] == [(m.small.config, m.small.actions) for m in again]


@pytest.mark.usefixtures("in_process")
def test_what_is_known_does_not_hide_the_next(whole):
    _, found, _ = whole
    first = found[0].fault
    campaign, others, _ = run(replace(PLAN, accepted=known(first), attempts=1))
    assert first not in [one.fault for one in others]
    assert campaign.tally.known[first] >= 1
    assert {one.fault for one in found[1:]} <= {one.fault for one in others}


@pytest.mark.usefixtures("in_process")
def test_what_is_known_to_end_a_case_hides_the_rest_of_it(whole):
    _, found, _ = whole
    first = found[0].fault
    seed = int(found[0].origin.removeprefix("seed "))
    plan = replace(PLAN, first_seed=seed, cases=1, attempts=1)
    assert run(replace(plan, accepted=known(first)))[1] or len(play(PLAN.subject, range(seed, seed + 1))[0].faults) == 1
    campaign, others, _ = run(replace(plan, accepted=known(first, ends=True)))
    assert others == []
    assert campaign.tally.known[first] == 1


@pytest.mark.usefixtures("in_process")
def test_only_some_verdicts(whole):
    _, found, _ = run(replace(PLAN, only=frozenset({"leak"}), attempts=1))
    assert found
    assert {one.fault.verdict for one in found} == {"leak"}


@pytest.mark.usefixtures("in_process")
def test_what_was_kept_is_played_first(whole):
    _, _, made = whole
    small = made[0].small
    case = replace(case_of(1, "sglang-0.5.11"), config=small.config, actions=small.actions)
    campaign, found, _ = run(replace(PLAN, cases=3, kept=(Kept(origin="kept.yaml", case=case),), attempts=1))
    assert (found[0].origin, found[0].fault) == ("kept.yaml", small.fault)
    assert campaign.tally.cases == 3


@pytest.mark.usefixtures("in_process")
def test_it_ends_after_so_many_faults():
    _, found, _ = run(replace(PLAN, most=2, attempts=1))
    assert len(found) == 2


@pytest.mark.usefixtures("in_process")
def test_every_fault_of_every_case():
    faults = Campaign(replace(PLAN, cases=12)).unknown()
    _, found, _ = run(replace(PLAN, cases=12, attempts=1))
    assert {one.fault for one in found} <= faults
    assert not Campaign(replace(PLAN, cases=12, accepted=known(*faults))).unknown()


def test_a_seed_is_one_case_and_neighbours_are_of_different_kinds():
    assert case_of(5, "sglang-0.5.11") == case_of(5, "sglang-0.5.11")
    cells = [case_of(seed, "sglang-0.5.11").cell for seed in range(12)]
    assert len(set(cells)) == 12
    assert len({cell.pools for cell in cells}) > 2
    assert all(len(case_of(seed, "sglang-0.5.11").actions) <= LENGTH for seed in range(3))


@pytest.mark.parametrize("release", ["sglang-0.5.10", "sglang-0.5.11"])
def test_every_drawn_configuration_is_one_of_a_scenario(release):
    subject = Subject(release=release)
    for seed in range(0, 478, 4):
        config = case_of(seed, release).config
        assert startable(config, release)
        assert can_be_written(subject, config), config


BROKEN = {
    "Raises": "ValueError: no (policy Raises, in released)",
    "Leaves": "SystemExit: enough (policy Leaves, in released)",
    "Breaks": "TypeError: ",
    "Disagrees": "OurFault: ",
}


@pytest.mark.usefixtures("in_process", "undrawn")
@pytest.mark.parametrize("policy", BROKEN)
def test_what_a_policy_breaks_is_found_like_any_fault(policy, tmp_path):
    subject = Subject(policy=f"{breaking.__file__}:{policy}")
    plan = replace(PLAN, subject=subject, first_seed=0, cases=12, only=frozenset({"crash"}), out=tmp_path)
    campaign, found, made = run(plan)
    assert campaign.tally.ours == []
    one = next(n for n, news in enumerate(found) if f"policy {policy}, in " in news.fault.cause)
    assert found[one].fault.cause.startswith(BROKEN[policy])
    small, left = made[one].small, made[one].left
    assert small.operations < small.drawn
    assert small.operations <= 6
    assert left.problem is None
    assert policy in (left.folder / "verdicts.json").read_text()
    with pytest.raises(AssertionError, match=f"policy {policy}, in "):
        assert_clean(left.folder / "scenario.yaml", policy=subject.policy)
    accept = tmp_path / "known.yaml"
    accept.write_text(json.dumps({"faults": [{"verdict": "crash", "cause": small.fault.cause}]}))
    assert_clean(left.folder / "scenario.yaml", policy=subject.policy, accept=[accept])


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("policy", [None, f"{breaking.__file__}:Raises"])
def test_a_fault_of_ours_is_ours_whether_or_not_a_policy_is_in_use(policy, monkeypatch):
    def broken(*given, **named):
        raise OurFault("they differ")

    monkeypatch.setattr(Player, "_play", broken)
    plan = replace(PLAN, subject=Subject(policy=policy), cases=2)
    if policy is None:
        campaign, found, _ = run(plan)
        assert (found, campaign.tally.ours) == ([], ["seed 1: they differ", "seed 2: they differ"])
    else:
        with pytest.raises(InputError, match=r"breaking.py:\d+:1: under this policy the model raised OurFault"):
            run(plan)
