"""Cases that once went wrong in this program itself: they run, and show what they should."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.run import Options, load_all, run_variant

SCENARIOS = load_all([Path(__file__).parents[2] / "scenarios" / "regressions"])


@pytest.mark.parametrize("audit", ["idle", "event"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_it_runs_and_shows_what_it_should(scenario, audit):
    for variant in scenario.variants.values():
        result = run_variant(scenario, variant, Options(audit=audit))
        if audit == "idle":
            assert not result.unmet
