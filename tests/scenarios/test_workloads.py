"""The workloads: they load, 0.5.11 is clean under the short ones, and what they promise to provoke does happen."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from sim.engines.protocol import POOLS
from sim.run import Options, load_all, run_variant

WORKLOADS = Path(__file__).parents[2] / "scenarios" / "workloads"
SCENARIOS = {scenario.name: scenario for scenario in load_all([WORKLOADS])}


def happenings(name: str, out: Path, variant: str = "after") -> Counter[str]:
    """How often each kind of thing happened in a clean run, and the least that was available of each pool."""
    scenario = SCENARIOS[name]
    result = run_variant(scenario, scenario.variants[variant], Options(out=out))
    assert result.unmet == ()
    assert result.folder is not None
    found: Counter[str] = Counter()
    with (result.folder / "events.jsonl").open() as lines:
        for event in map(json.loads, lines):
            found[event["kind"]] += 1
            found.update({word: len(event.get(word, ())) for word in ("finished", "aborted", "retracted")})
            for pool in POOLS:
                if pool in event:
                    found[f"least {pool}"] = min(found.get(f"least {pool}", 1 << 30), event[pool][0])
    return found


def test_the_fleet_opens_and_closes_all_its_sessions_and_gives_some_turns_up(tmp_path):
    found = happenings("agent-fleet", tmp_path)

    assert found["open"] == found["close"] == 120
    assert found["finished"] > 900
    assert found["aborted"] > 10


def test_the_burst_retracts_running_requests_and_finishes_all(tmp_path):
    found = happenings("burst", tmp_path)

    assert found["retracted"] >= 5
    assert found["finished"] == found["submit"]


@pytest.mark.parametrize("variant", ["after", "page-1"])
def test_the_windowed_model_runs_out_of_both_pools_and_finishes_all(variant, tmp_path):
    found = happenings("windowed", tmp_path, variant)

    assert found["retracted"] >= 5
    assert found["finished"] == found["submit"]
    assert found["least swa"] < 32
    assert found["least full"] < 128


@pytest.mark.parametrize("variant", ["after", "extra-buffer"])
def test_the_recurrent_model_runs_out_of_states_and_finishes_all(variant, tmp_path):
    found = happenings("recurrent", tmp_path, variant)

    assert found["finished"] == found["submit"]
    assert found["least mamba"] <= 1
    assert found["least full"] > 1000


# A fault that the releases have, and that nothing but pressure on a windowed pool shows; its text says so.
FAULTY = {"windowed": "silent"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_workload_says_what_it_is_about_and_must_be_clean(name):
    scenario = SCENARIOS[name]

    assert scenario.about
    verdicts = {entry.verdict for entry in scenario.variants["after"].expect.verdicts}
    assert verdicts == {FAULTY.get(name, "clean")}


def test_names_are_unique_over_all_scenarios():
    everything = load_all([WORKLOADS.parent])

    assert len({scenario.name for scenario in everything}) == len(everything)
