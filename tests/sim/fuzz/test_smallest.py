"""The smallest case: what else it shows, and what would take the fault away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.engines.select import Choice
from sim.fuzz.campaign import case_of
from sim.fuzz.found import Found
from sim.fuzz.smallest import can_be_written, smallest
from sim.fuzz.subject import Subject


def first_fault(player, subject, wanted, seeds=range(60)):
    """The first drawn case that shows such a fault."""
    for seed in seeds:
        case = case_of(seed, subject.release)
        for seen in player.play(case.config, case.actions).seen:
            if wanted(seen.fault):
                return Found(origin=f"seed {seed}", case=case, fault=seen.fault, size=seen.verdict.size)
    raise AssertionError("no case shows it")


@pytest.mark.parametrize(
    ("fix", "verdict", "fixed"), [(22862, "leak", {22862}), (22753, "false-alarm", {22753, 22213})]
)
def test_a_missing_fix_is_found_made_small_and_named(player, fix, verdict, fixed):
    subject = Subject(revert=(fix,))
    one = player(subject)
    cause = {"leak": "overwritten from", "false-alarm": "in uncached"}[verdict]
    found = first_fault(one, subject, lambda fault: fault.verdict == verdict and cause in fault.cause)
    small = smallest(one, found, 400)
    assert small.operations <= 12
    assert small.operations < small.drawn
    assert set(small.fixed_by) == fixed
    assert small.own.fault == found.fault
    assert can_be_written(subject, small.config)
    assert one.play(small.config, small.actions).shows(found.fault)


def test_what_comes_before_it_is_told(player):
    subject = Subject(revert=(22862,))
    one = player(subject)
    for seed in range(200):
        case = case_of(seed, subject.release)
        seen = one.play(case.config, case.actions).seen
        if len(seen) > 1:
            break
    found = Found(origin="x", case=case, fault=seen[1].fault, size=0)
    assert smallest(one, found, 0).before == (seen[0].fault,)


def test_of_a_real_release_the_model_is_asked(monkeypatch, player):
    subject = Subject(release="sglang-0.5.10")
    one = player(subject)
    found = first_fault(one, subject, lambda fault: "in uncached" in fault.cause)
    small = smallest(one, found, 200)
    monkeypatch.setattr(one, "subject", Subject(release="sglang-0.5.10", choice=Choice(spec="sglang==0.5.10.post1")))
    found = replace(found, case=replace(found.case, config=small.config, actions=small.actions))
    assert smallest(one, found, 0).fixed_by == small.fixed_by
    assert 22753 in small.fixed_by


def test_choices_about_layers_that_are_not_there_are_left_out():
    config = case_of(0, "sglang-0.5.11").config
    subject = Subject(revert=(22862, 22900, 23327), decide=(("clock", "committed"),))
    for seed in range(0, 478, 40):
        config = case_of(seed, "sglang-0.5.11").config
        written = subject.written("x", config)
        assert (22900 in written.revert) == ("swa" in config.pool.names) == ("clock" in written.decide)
        assert (23327 in written.revert) == ("mamba" in config.pool.names)
        assert 22862 in written.revert
        assert can_be_written(subject, config)
