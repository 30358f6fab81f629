"""What the fuzzer found in a release: each scenario shows it, says what it is, and the fuzzer knows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sim.expectations import unmet_verdicts
from sim.fuzz.accept import KnownFaults, load_accepted
from sim.fuzz.faults import Telling
from sim.run import load_all, run_variant
from sim.scenario.places import parse, read_text

ROOT = Path(__file__).parents[2]
FOUND = ROOT / "scenarios" / "found"
KNOWN = FOUND / "known-sglang-0.5.11.yaml"
SCENARIOS = {scenario.name: scenario for scenario in load_all([FOUND])}
ENTRIES = KnownFaults.model_validate(parse(read_text(KNOWN), str(KNOWN)).plain()).faults


@pytest.fixture(scope="module")
def results():
    return {name: run_variant(scenario, scenario.variants["default"]) for name, scenario in SCENARIOS.items()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_run_shows_what_the_scenario_expects(name, results):
    assert results[name].unmet == ()
    assert results[name].ok
    assert results[name].verdicts


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_less_would_do(name, results):
    expect, verdicts = SCENARIOS[name].variants["default"].expect, results[name].verdicts
    assert expect is not None
    for i, entry in enumerate(expect.verdicts):
        others = expect.verdicts[:i], expect.verdicts[i + 1 :]
        assert entry.size is not None
        wrong = replace(entry, size=entry.size + 1000)
        assert unmet_verdicts(replace(expect, verdicts=(*others[0], wrong, *others[1])), verdicts)
        assert unmet_verdicts(replace(expect, verdicts=others[0] + others[1]), verdicts)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_says_what_goes_wrong_in_which_release(name):
    scenario = SCENARIOS[name]
    assert Path(scenario.path).stem == name
    assert scenario.source_text.startswith("# ")
    assert len(scenario.about.split()) >= 5
    assert [v.release for v in scenario.variants.values()] == ["sglang-0.5.11"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_all_that_it_shows_is_known(name, results):
    known, result = load_accepted([KNOWN]), results[name]
    shown = Telling(SCENARIOS[name].variants["default"].operations).faults(result.verdicts, result.frames)
    assert list(known.news(shown)) == []


def test_each_known_fault_names_a_scenario_that_is_there():
    assert {entry.scenario for entry in ENTRIES} <= {f"scenarios/found/{name}.yaml" for name in SCENARIOS}
