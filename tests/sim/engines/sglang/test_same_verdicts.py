"""The founding scenarios and random runs on the real releases: the same verdicts as on the model."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.poolcase import draw_pools
from helpers.randomcase import draw_case
from helpers.randomrun import STEP, improvised

from sim.driver import Driver, Over
from sim.engines.select import Choice, Engines
from sim.ledger.observed import ObservedAuditor
from sim.run import Options, load_all, run_variant

FOUNDING = Path(__file__).parents[4] / "scenarios" / "founding"
SCENARIOS = {scenario.name: scenario for scenario in load_all([FOUNDING])}
VERSIONS = {"sglang-0.5.10": "0.5.10.post1", "sglang-0.5.11": "0.5.11"}
RUNS = [
    pytest.param(name, variant, id=f"{name}-{variant}")
    for name, scenario in SCENARIOS.items()
    for variant, chosen in scenario.variants.items()
    # What was never released is not to be had.
    if not chosen.add and not chosen.decide
]
# Two turns in one row: the model books what is lost posting by posting, a recount sees what each event comes to.
SHARED_ROW = "22790-second-turn"
SEEDS = [seed for seed in range(60) if not draw_case(seed).weights["second"]][:14]


@pytest.fixture(scope="module")
def engines():
    """One worker for each release and its reverts, kept for all tests of this file."""
    made = {}
    yield made
    for engine in made.values():
        engine.close()


@pytest.fixture
def engine_of(engines, sglang_source):
    """`engine_of(release)`: engines of the version that this release stands for."""

    def find(release):
        version = VERSIONS[release]
        if version not in engines:
            engines[version] = Engines(Choice(spec=f"sglang=={version}", path=sglang_source(version).path))
        return engines[version]

    return find


def shown(verdicts):
    return Counter(
        (
            v.verdict, v.pool, v.size, v.event, v.request, v.session, v.invariant, v.detected_by, v.detected_event,
            reason(v),
        )
        for v in verdicts
    )  # fmt: skip


def reason(verdict):
    """Why the books are off, and why nothing runs: of these both engines say the same."""
    return verdict.cause.what if verdict.verdict in ("false-alarm", "stuck") else None


@pytest.mark.parametrize(("name", "variant"), RUNS)
def test_a_founding_scenario_shows_on_the_release_what_it_expects(name, variant, engine_of):
    scenario = SCENARIOS[name]
    chosen = scenario.variants[variant]

    result = run_variant(scenario, chosen, Options(), engines=engine_of(chosen.release))

    assert result.unmet == ()
    assert result.ok


@pytest.mark.parametrize(("name", "variant"), [run for run in RUNS if SHARED_ROW not in run.id])
def test_a_founding_scenario_has_the_same_verdicts_on_both_engines(name, variant, engine_of):
    scenario = SCENARIOS[name]
    chosen = scenario.variants[variant]

    model = run_variant(scenario, chosen, Options())
    real = run_variant(scenario, chosen, Options(), engines=engine_of(chosen.release))

    assert shown(real.verdicts) == shown(model.verdicts)
    assert (real.events, real.iterations, real.ending) == (model.events, model.iterations, model.ending)


@pytest.mark.parametrize(
    ("release", "reverts", "least"),
    [
        ("sglang-0.5.10", (), 50), ("sglang-0.5.11", (), 0), ("sglang-0.5.11", (22753,), 10),
        ("sglang-0.5.11", (22790,), 2), ("sglang-0.5.11", (22862,), 2),
    ],
)  # fmt: skip
def test_random_runs_have_the_same_verdicts_on_both_engines(release, reverts, least, engine_of):
    """One turn of a session at a time; where two share a row, both see the same loss and book it differently.

    Of the event in which the release crashes only the crash is compared: memory and books stand half-way then.
    """
    found = 0
    for seed in SEEDS:
        case = draw_case(seed, release={"release": release, "revert": reverts})
        knobs = case.config.scheduler
        if knobs.speculative is not None and (knobs.preemption or knobs.speculative.topk > 1):
            continue
        case.weights["second"] = 0
        run = improvised(case, 110)
        real = replayed(case, run.actions, reverts, engine_of(release))
        assert plain(real.verdicts) == plain(run.verdicts), f"seed {seed}"
        found += len(run.verdicts)
    assert found >= least


@pytest.mark.parametrize(
    ("release", "reverts", "kind"),
    [
        ("sglang-0.5.10", (), "swa"), ("sglang-0.5.11", (22862,), "swa"), ("sglang-0.5.11", (22753,), "swa"),
        ("sglang-0.5.10", (), "no_buffer"), ("sglang-0.5.11", (23327,), "no_buffer"),
        ("sglang-0.5.11", (23496,), "extra_buffer"), ("sglang-0.5.11", (), "both"),
    ],
)  # fmt: skip
def test_random_runs_with_more_pools_have_the_same_verdicts_on_both_engines(release, reverts, kind, engine_of):
    """As above, with windowed pools and states: their books, owners, cursors, and what is read of them."""
    found = Counter()
    for seed in SEEDS[:6]:
        case = draw_pools(seed, kind)
        case = replace(case, release={"release": release, "revert": reverts}, weights={**case.weights, "second": 0})
        knobs = case.config.scheduler
        if knobs.speculative is not None and (knobs.preemption or knobs.speculative.topk > 1):
            continue
        run = improvised(case, 110)
        real = replayed(case, run.actions, reverts, engine_of(release))
        assert plain(real.verdicts) == plain(run.verdicts), f"seed {seed}"
        found.update(v.verdict for v in run.verdicts)
    assert found


def plain(verdicts):
    last = [v.event for v in verdicts if v.verdict == "crash"]
    compared = [v for v in verdicts if v.verdict == "crash" or v.event not in last]
    return Counter((v.verdict, v.pool, v.size, v.event, reason(v)) for v in compared)


def replayed(case, actions, reverts, engines):
    engine = engines.remote(case.config, reverts, audit=True)
    auditor = ObservedAuditor(engine, case.config)
    driver = Driver(engine, auditor)
    try:
        for action in actions:
            if action == STEP:
                driver.step()
            elif isinstance(action, float):
                driver.advance(action)
            else:
                driver.do(action)
        auditor.finish()
    except Over:
        pass
    return auditor
