"""What the fuzzer found on the model is there in the released scheduler."""

from pathlib import Path

from sim.engines.select import Choice, Engines
from sim.run import Options, run_paths

FOUND = Path(__file__).parents[4] / "scenarios" / "found"


def test_all_that_was_found_in_a_release_shows_on_the_real_one(sglang_source):
    source = sglang_source("0.5.11")
    with Engines(Choice(spec=f"sglang=={source.version}", path=source.path)) as engines:
        results = [result for _, result in run_paths([FOUND], Options(), engines=engines)]
    assert [(result.scenario, result.unmet) for result in results if not result.ok] == []
    assert len(results) == len(list(FOUND.glob("*.yaml"))) - 1
    assert all(result.judged and result.engine == "sglang 0.5.11" for result in results)
