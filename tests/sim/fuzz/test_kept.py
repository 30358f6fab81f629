"""What was found before is played first."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.engines.marks import STEP
from sim.errors import InputError
from sim.fuzz.kept import kept_cases

OPERATIONS = """\
pool: {{tokens: 64}}
seed: {seed}
operations:
  - {{submit: r1, prompt: 3, output: 2}}
  - {{step: 2}}
"""
WORKLOAD = "pool: {tokens: 64}\nworkload: [{request: r1, prompt: 3, output: 2}]\n"


@pytest.fixture
def folders(tmp_path):
    regressions, out = tmp_path / "regressions", tmp_path / "out"
    (regressions / "deep").mkdir(parents=True)
    (out / "leak-full-seed-3").mkdir(parents=True)
    (regressions / "deep" / "b.yaml").write_text(OPERATIONS.format(seed=1))
    (regressions / "a.yml").write_text(OPERATIONS.format(seed=2))
    (out / "leak-full-seed-3" / "scenario.yaml").write_text(OPERATIONS.format(seed=3))
    return regressions, out


def test_regressions_then_what_an_earlier_campaign_left(folders):
    kept = kept_cases(*folders)
    assert [Path(one.origin).name for one in kept] == ["a.yml", "b.yaml", "scenario.yaml"]
    assert [one.case.config.seed for one in kept] == [2, 1, 3]
    assert [what == STEP for _, what in kept[0].case.actions] == [False, True, True]


def test_none_twice_and_only_what_is_made_of_operations(folders):
    regressions, out = folders
    (regressions / "again.yaml").write_text(OPERATIONS.format(seed=3))
    (regressions / "load.yaml").write_text(WORKLOAD)
    assert [one.case.config.seed for one in kept_cases(regressions, out)] == [2, 3, 1]


def test_nothing_was_kept(tmp_path):
    assert kept_cases(None, tmp_path / "none") == ()


def test_a_scenario_that_is_wrong_is_said_in_one_line(folders):
    (folders[0] / "a.yml").write_text("pool: {}")
    with pytest.raises(InputError, match=r"a\.yml:1:7: "):
        kept_cases(*folders)
