"""What the fuzzer found on the model is there in the released scheduler."""

from pathlib import Path

from sim.engines.select import Choice, Engines
from sim.run import Options, run_paths, run_variant
from sim.scenario.loader import load_text

FOUND = Path(__file__).parents[4] / "scenarios" / "found"
ENDS_WITHIN_A_PAGE = """
release: sglang-0.5.11
pool: {tokens: 52, page_size: 4, rows: 2, mamba: {slots: 6, strategy: extra_buffer, track_interval: 8, chunk: 8}}
scheduler: {max_running: 2, chunked_prefill: 16, mixed_chunk: true}
operations:
  - {submit: r1, prompt: 9, output: 1}
  - {submit: r2, prompt: 27, output: 1}
  - {step: 4}
"""


def test_all_that_was_found_in_a_release_shows_on_the_real_one(sglang_source):
    source = sglang_source("0.5.11")
    with Engines(Choice(spec=f"sglang=={source.version}", path=source.path)) as engines:
        results = [result for _, result in run_paths([FOUND], Options(), engines=engines)]
    assert [(result.scenario, result.unmet) for result in results if not result.ok] == []
    assert len(results) == len(list(FOUND.glob("*.yaml"))) - 1
    assert all(result.judged and result.engine == "sglang 0.5.11" for result in results)


def test_what_a_release_was_handing_on_when_it_died_is_not_lost(sglang_source):
    scenario = load_text(ENDS_WITHIN_A_PAGE, "ends.yaml")
    source = sglang_source("0.5.11")
    with Engines(Choice(spec=f"sglang=={source.version}", path=source.path)) as engines:
        for at in (None, engines):
            result = run_variant(scenario, scenario.variants["default"], Options(), engines=at)
            assert [v.verdict for v in result.verdicts] == ["crash"]
            assert "It is required cache_len=27, page_aligned_len=24" in result.verdicts[0].message
