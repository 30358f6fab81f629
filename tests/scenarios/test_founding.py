"""The founding scenarios: each holds, each number in them counts, each change has its before and its after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sim.engines.protocol import POOLS
from sim.expectations import unmet_verdicts
from sim.run import Options, load_all, run_variant
from sim.scenario.model import Expect, ExpectVerdict, Point

FOUNDING = Path(__file__).parents[2] / "scenarios" / "founding"
CHANGES = (21404, 22753, 22790, 22862, 22900, 23327, 23496)
SCENARIOS = {scenario.name: scenario for scenario in load_all([FOUNDING])}
RUNS = [(name, variant) for name, scenario in SCENARIOS.items() for variant in scenario.variants]
ELSE = {
    "pool": "attic", "request": "nobody/1", "session": "nobody", "invariant": "INV-10", "detected_by": "a human",
    "count": 999,
}  # fmt: skip


def changed_entries(entry: ExpectVerdict) -> Iterator[ExpectVerdict]:
    """The entry with one thing changed, for each thing that it says."""
    yield replace(entry, verdict="leak" if entry.verdict == "clean" else "stuck")
    if entry.size is not None:
        yield replace(entry, size=entry.size + 1000)
        yield replace(entry, size=-entry.size - (entry.size == 0))
    for name, other in ELSE.items():
        if getattr(entry, name) is not None:
            yield replace(entry, **{name: other})


def changed_points(point: Point) -> Iterator[Point]:
    """The point with one figure changed, for each figure that it has."""
    for pool in POOLS:
        figures = getattr(point, pool)
        for name, value in figures.items():
            yield replace(point, **{pool: {**figures, name: value + 1}})
    for group in ("sessions", "requests"):
        figures = getattr(point, group)
        for who, values in figures.items():
            for name, value in values.items():
                yield replace(point, **{group: {**figures, who: {**values, name: value + 1}}})
    if point.free_rows is not None:
        yield replace(point, free_rows=point.free_rows + 1)


def play(name: str, variant: str, expect: Expect | None = None):
    scenario = SCENARIOS[name]
    chosen = scenario.variants[variant]
    return run_variant(scenario, chosen if expect is None else replace(chosen, expect=expect), Options())


def expected(name: str, variant: str) -> Expect:
    expect = SCENARIOS[name].variants[variant].expect
    assert expect is not None, f"{name}, {variant} expects nothing"
    return expect


@pytest.mark.parametrize(("name", "variant"), RUNS)
def test_the_run_shows_what_the_scenario_expects(name, variant):
    result = play(name, variant)

    assert result.unmet == ()
    assert result.ok


@pytest.mark.parametrize(("name", "variant"), RUNS)
def test_an_expected_verdict_with_anything_changed_does_not_hold(name, variant):
    expect = expected(name, variant)
    verdicts = play(name, variant).verdicts

    for index, entry in enumerate(expect.verdicts):
        others = expect.verdicts[:index], expect.verdicts[index + 1 :]
        for wrong in changed_entries(entry):
            assert unmet_verdicts(replace(expect, verdicts=(*others[0], wrong, *others[1])), verdicts), wrong


@pytest.mark.parametrize(("name", "variant"), RUNS)
def test_a_point_with_any_figure_changed_does_not_hold(name, variant):
    expect = expected(name, variant)
    wrong = [changed for point in expect.points for changed in changed_points(point)]

    result = play(name, variant, replace(expect, points=tuple(wrong)))

    assert len(result.unmet) == len(wrong)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_says_what_happens_and_compares_before_with_after(name):
    scenario = SCENARIOS[name]

    assert Path(scenario.path).stem == name
    assert scenario.source_text.startswith("# ")
    assert len(scenario.about.split()) >= 5
    assert {"before", "after"} <= set(scenario.variants)
    assert [entry.verdict for entry in expected(name, "after").verdicts] == ["clean"]
    assert "clean" not in [entry.verdict for entry in expected(name, "before").verdicts]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_shown_on_the_release_before_it_and_by_taking_it_out_again(change):
    variants = [
        variant
        for name, scenario in SCENARIOS.items()
        if name.startswith(f"pr{change}-")
        for variant in scenario.variants.values()
    ]
    faulty = [v for v in variants if v.expect is not None and v.expect.verdicts[0].verdict != "clean"]

    assert any(v.release == "sglang-0.5.10" for v in faulty)
    assert any(v.release == "sglang-0.5.11" and change in v.revert for v in faulty)


def test_every_scenario_is_about_a_founding_change():
    assert {int(name[2:7]) for name in SCENARIOS} == set(CHANGES)
