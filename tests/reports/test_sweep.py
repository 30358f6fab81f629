"""Sweeps: a plain table of rows, and three figures of it."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reports
from reports import ReportError
from reports.find import find
from reports.overview import cells_of, columns_of, overview_figure, words_of
from reports.shapes import boxes_in
from reports.sweep import KINDS, SweepRow, rows_of, verdicts_by_run
from reports.trends import latency_figure, loss_figure, losses


def rows_made(*cells: tuple[str, str, str], **more) -> list[SweepRow]:
    return [SweepRow(scenario=s, policy=p, verdict=v, seed=n, **more) for n, (s, p, v) in enumerate(cells)]


def drawn(ax, name: str):
    return [box for p in ax.patches if p.get_label() == f"_{name}" for box in boxes_in(p)]


def test_a_folder_of_runs_is_a_table(scenario_of_four: Path) -> None:
    rows = rows_of(find([scenario_of_four]))
    assert Counter((row.policy, row.verdict, row.size) for row in rows) == {
        ("clean", "clean", 0): 1,
        ("leak", "leak", -1): 5,
        ("false-alarm", "false-alarm", 6): 1,
        ("silent", "silent", 3): 1,
    }
    assert {row.policy: row.latency for row in rows} == {"clean": None, "leak": 0, "false-alarm": 4, "silent": None}
    assert {(row.scenario, row.seed, row.ok) for row in rows} == {("tail", 7, True)}


def test_rows_of_one_run_are_known_by_scenario_policy_seed_and_parameters() -> None:
    one = SweepRow(scenario="s", policy="p", seed=1, params={"rate": 4, "page": 16})
    again = SweepRow(scenario="s", policy="p", seed=1, params={"page": 16, "rate": 4}, verdict="leak", size=-1)
    other = SweepRow(scenario="s", policy="p", seed=1, params={"rate": 8, "page": 16})
    assert [len(run) for run in verdicts_by_run([one, again, other]).values()] == [2, 1]


def test_a_cell_is_shared_by_the_worst_verdicts_of_its_runs() -> None:
    made = [("s", "p", v) for v in ("leak", "clean", "clean", "silent")]
    ax = overview_figure(rows_made(*made)).axes[0]
    widths = {name: sum(right - left for left, _, right, _ in drawn(ax, name)) for name in KINDS}
    whole = widths["clean"] * 2
    assert {name: round(width / whole, 6) for name, width in widths.items() if width} == {
        "clean": 0.5,
        "leak": 0.25,
        "silent": 0.25,
    }
    assert [text.get_text() for text in ax.texts] == ["S L 2/4"]


def test_a_cell_names_every_kind_the_worst_first() -> None:
    one = [SweepRow(scenario="s", policy="p", verdict=v) for v in ("false-alarm", "leak", "false-alarm")]
    assert words_of([one]) == "L FA"
    assert words_of([[SweepRow(scenario="s", policy="p")]]) == "✓"
    many = [SweepRow(scenario="s", policy="p", verdict=v) for v in ("leak", "alias", "corrupt", "stuck")]
    assert words_of([many]) == "C A L …"


def test_scenarios_are_lines_and_policies_columns_in_their_order() -> None:
    made = rows_made(("b", "before", "leak"), ("b", "after", "clean"), ("a", "after", "clean"))
    ax = overview_figure(made).axes[0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["b", "a"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["before", "after"]
    assert [int(box[0]) for box in drawn(ax, "leak")] == [0]
    assert sorted((int(left), round((low + high) / 2)) for left, low, _, high in drawn(ax, "clean")) == [(1, 0), (1, 1)]


def test_what_did_not_go_as_expected_is_framed() -> None:
    made = [*rows_made(("s", "p", "leak"), ok=False), *rows_made(("s", "q", "leak"))]
    ax = overview_figure(made).axes[0]
    assert [int(box[0]) for box in drawn(ax, "not as expected")] == [0]


def test_policies_that_few_scenarios_have_stand_together() -> None:
    common = [(s, p, "clean") for s in "abc" for p in ("before", "after")]
    rare = [("a", f"own-{n}", "leak" if n == 3 else "clean") for n in range(8)]
    rows = rows_made(*common, *rare)
    columns = columns_of(rows)
    assert columns == ["before", "after", "others"]
    cells = cells_of(rows, columns)
    assert len(cells["a", "others"]) == 8
    assert words_of(cells["a", "others"]) == "L 1/8"


def test_a_verdict_that_is_new_is_shown_as_the_worst() -> None:
    ax = overview_figure(rows_made(("s", "p", "melted"), ("s", "p", "leak"))).axes[0]
    assert [text.get_text() for text in ax.texts] == ["? L 2/2"]


def test_of_very_many_scenarios_those_that_went_wrong_are_shown_first() -> None:
    made = [(f"s{n:03d}", "p", "clean") for n in range(200)]
    rows = [*rows_made(*made), *rows_made(("s150", "p", "leak"), ok=False)]
    ax = overview_figure(rows).axes[0]
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert len(names) == 60
    assert names[-1] == "s150"
    assert ax.get_xlabel().startswith("140 more scenarios are left out")


a_cell = st.tuples(st.sampled_from("abc"), st.sampled_from("pqr"), st.sampled_from(list(KINDS)))


@given(st.lists(a_cell, min_size=1, max_size=30))
@settings(deadline=None, max_examples=25)
def test_every_cell_is_filled_once(made) -> None:
    rows = rows_made(*made)
    ax = overview_figure(rows).axes[0]
    areas: Counter[tuple[int, int]] = Counter()
    for left, low, right, high in (box for name in KINDS for box in drawn(ax, name)):
        areas[int(left), round((low + high) / 2)] += right - left
    assert len(areas) == len({(row.scenario, row.policy) for row in rows})
    assert len({round(area, 6) for area in areas.values()}) == 1


def test_loss_is_what_memory_is_wrong_by_in_each_run() -> None:
    rows = [
        SweepRow(scenario="s", policy="p", seed=1, params={"rate": 2}, verdict="leak", size=-3),
        SweepRow(scenario="s", policy="p", seed=1, params={"rate": 2}, verdict="silent", size=2),
        SweepRow(scenario="s", policy="p", seed=1, params={"rate": 2}, verdict="false-alarm", size=90),
        SweepRow(scenario="s", policy="p", seed=2, params={"rate": 2}),
        SweepRow(scenario="s", policy="q", seed=1, params={"rate": 8}, verdict="alias", size=4),
        SweepRow(scenario="s", policy="q", seed=1),
    ]
    assert losses(rows, "rate") == {"p": {2: [5, 0]}, "q": {8: [4]}}
    ax = loss_figure(rows, "rate").axes[0]
    lines = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
    assert lines == {"p": [2.5], "q": [4]}
    assert (ax.get_xlabel(), ax.get_ylim()[0]) == ("rate", 0)


def test_a_parameter_may_be_a_word() -> None:
    rows = [SweepRow(scenario="s", policy="p", params={"order": word}) for word in ("lpm", "fcfs")]
    assert [tick.get_text() for tick in loss_figure(rows, "order").axes[0].get_xticklabels()] == ["fcfs", "lpm"]


def test_a_parameter_that_nobody_set_is_one_line() -> None:
    with pytest.raises(ReportError, match="no run of the sweep has the parameter 'rate'"):
        loss_figure([SweepRow(scenario="s", policy="p")], "rate")


def test_latencies_and_what_was_never_seen_stand_on_the_line_of_their_policy() -> None:
    rows = [
        *(SweepRow(scenario="s", policy="p", seed=n, verdict="leak", latency=n) for n in (0, 0, 3, 500)),
        SweepRow(scenario="s", policy="p", seed=9, verdict="silent"),
        SweepRow(scenario="s", policy="q"),
    ]
    ax = latency_figure(rows).axes[0]
    (dots,) = ax.collections
    assert sorted(dots.get_offsets().tolist()) == [[0, 0], [3, 0], [500, 0]]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_label() == "_median"] == [1.5]
    assert [text.get_text() for text in ax.texts] == ["never: 1 of 5", "no fault"]
    assert ax.get_xlabel() == "iterations from cause to detection"


def test_a_report_of_many_scenarios_opens_with_the_overview(tmp_path: Path, make_story, make_fault, save_run) -> None:
    for name in ("one", "two", "three", "four"):
        save_run(tmp_path / name / "after", make_story(20), [make_fault("leak", -1, 14, 16)], scenario=name)
    page = reports.build([tmp_path]).read_text()
    assert (tmp_path / "figures" / "all-scenarios.png").is_file()
    assert page.index("The verdicts of all runs") < page.index('<section id="s1">')
    (tmp_path / "four" / "after" / "series.npz").unlink()
    assert "The verdicts of all runs" not in reports.build([tmp_path]).read_text()
