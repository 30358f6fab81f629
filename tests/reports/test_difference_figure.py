"""The figure of all variants: false alarm, leak and silent fault differ in what is drawn."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.condition import CONDITIONS, condition_of, stretches
from reports.data import read_run
from reports.difference import difference_figure
from reports.series import Series
from reports.shapes import boxes_in


def row_of(folder: Path, name: str):
    """The books' line and the heights that the true area reaches, for one variant."""
    ax = difference_figure([read_run(folder / name)]).axes[0]
    books = next(item for item in ax.lines if item.get_label() == "books: sum − total").get_ydata()
    reached = [y for area in ax.collections for path in area.get_paths() for _, y in path.vertices]
    return set(books.tolist()), (min(reached), max(reached))


def test_clean_has_a_flat_line_and_no_area(scenario_of_four: Path) -> None:
    assert row_of(scenario_of_four, "clean") == ({0}, (0, 0))


def test_a_leak_has_line_and_area_down_to_the_same_depth(scenario_of_four: Path) -> None:
    assert row_of(scenario_of_four, "leak") == ({0, -1, -2, -3, -4, -5}, (-5, 0))


def test_a_false_alarm_has_a_line_and_no_area(scenario_of_four: Path) -> None:
    assert row_of(scenario_of_four, "false-alarm") == ({0, 6}, (0, 0))


def test_a_silent_fault_has_an_area_and_a_flat_line(scenario_of_four: Path) -> None:
    assert row_of(scenario_of_four, "silent") == ({0}, (-3, 3))


def test_each_variant_is_a_row_with_its_verdict_in_the_title(scenario_of_four: Path) -> None:
    names = ["clean", "leak", "false-alarm", "silent"]
    axes = difference_figure([read_run(scenario_of_four / name) for name in names]).axes
    assert [ax.get_title(loc="left") for ax in axes] == [
        "clean: clean",
        "leak: leak −1 (5×)",
        "false-alarm: false-alarm +6",
        "silent: silent +3",
    ]


def test_rows_share_one_scale_of_events_and_of_tokens(scenario_of_four: Path) -> None:
    axes = difference_figure([read_run(scenario_of_four / name) for name in ("silent", "leak")]).axes
    assert len({ax.get_xlim() for ax in axes}) == 1
    assert len({tuple(ax.get_yticks()) for ax in axes}) == 1


def test_a_leak_of_one_keeps_its_own_scale_beside_one_of_two_thousand(
    tmp_path: Path, make_story, shift_term, save_run
) -> None:
    small, large = make_story(40), make_story(40)
    shift_term(small, 20, None, 0, -1, true=True)
    shift_term(large, 20, None, 0, -2000, true=True)
    runs = [read_run(save_run(tmp_path / n, s)) for n, s in (("small", small), ("large", large))]
    low = [ax.get_ylim()[0] for ax in difference_figure(runs).axes]
    assert -2 < low[0] < -1
    assert low[1] < -2000


def test_a_fault_that_no_check_sees_has_a_ring_and_no_cross(scenario_of_four: Path) -> None:
    figure = difference_figure([read_run(scenario_of_four / "silent")])
    drawn = {item.get_label() for item in figure.axes[0].lines}
    assert "_never seen" in drawn
    assert "_seen" not in drawn
    assert "never seen by it" in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(
    ("variant", "word", "start", "stop"),
    [("leak", "real", 21, 121), ("false-alarm", "false alarm", 41, 53), ("silent", "silent", 61, 121)],
)
def test_a_ribbon_says_in_a_word_which_of_the_two_is_wrong(
    scenario_of_four: Path, variant: str, word: str, start: int, stop: int
) -> None:
    ax = difference_figure([read_run(scenario_of_four / variant)]).axes[0]
    (ribbon,) = [patch for patch in ax.patches if patch.get_label() == f"_{word}"]
    assert [(left, right) for left, _, right, _ in boxes_in(ribbon)] == [(start, stop)]
    assert sum(box[3] for box in boxes_in(ribbon)) < 0.5


def test_a_clean_variant_has_no_ribbon(scenario_of_four: Path) -> None:
    assert not difference_figure([read_run(scenario_of_four / "clean")]).axes[0].patches


@pytest.mark.parametrize(
    ("delta", "lost", "extra", "word"),
    [
        (0, 0, 0, None),
        (6, 0, 0, "false alarm"),
        (-1, 1, 0, "real"),
        (2, 1, 3, "real"),
        (5, 1, 0, "real, miscounted"),
        (0, 3, 3, "silent"),
        (0, 1, 0, "silent"),
    ],
)
def test_books_and_truth_give_the_condition(delta: int, lost: int, extra: int, word: str | None) -> None:
    one = np.array([1])
    series = Series(one, one * 0.1, np.zeros((1, 5), dtype=np.int64), one * delta, one * lost, one * extra, 9)
    rank = int(condition_of(series)[0])
    assert (CONDITIONS[rank].word if rank else None) == word


@given(st.integers(0, 1000), st.integers(1, 3000))
@settings(deadline=None)
def test_the_ribbon_of_a_long_run_loses_no_condition(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    rare = rng.random((3, length)) < 0.01
    event = np.cumsum(rng.integers(1, 4, length))
    series = Series(event, event * 0.01, np.zeros((length, 5), dtype=np.int64), *rare.astype(np.int64), 9)
    drawn = stretches(series, float(event[-1]) + 1)
    assert len(drawn) <= 400
    ranks = condition_of(series)
    assert {rank for _, _, rank in drawn} <= set(ranks.tolist())
    for at, rank in zip(event.tolist(), ranks.tolist(), strict=True):
        covering = [value for start, stop, value in drawn if start <= at < stop]
        assert max(covering, default=0) >= rank


def test_times_are_written_only_where_all_variants_agree_on_them(tmp_path: Path, make_story, save_run) -> None:
    quick, slow = make_story(40), make_story(40)
    slow["t"] = slow["t"] * 2
    one, two = (read_run(save_run(tmp_path / name, s)) for name, s in (("quick", quick), ("slow", slow)))
    apart = difference_figure([one, two]).axes[-1]
    assert apart.get_xlabel() == "event number"
    assert all("\n" not in tick.get_text() for tick in apart.get_xticklabels())
    alike = difference_figure([one, one]).axes[-1]
    assert alike.get_xlabel() == "event number, simulated time"
    assert all(tick.get_text().endswith(" ms") for tick in alike.get_xticklabels())


def test_variants_of_different_length_end_where_they_ended(tmp_path: Path, make_story, save_run) -> None:
    runs = [read_run(save_run(tmp_path / f"n{n}", make_story(n))) for n in (20, 60)]
    axes = difference_figure(runs).axes
    ends = [
        max(next(i for i in ax.lines if i.get_label() == "books: sum − total").get_xdata()) for ax in axes
    ]
    assert ends == [21, 61]
    assert axes[0].get_xlim()[1] == 61


def test_crowded_verdicts_are_drawn_with_both_fates(tmp_path: Path, make_story, make_fault, save_run) -> None:
    faults = [make_fault("leak", -1, n, n + 20 if n % 2 else None) for n in range(10, 40)]
    figure = difference_figure([read_run(save_run(tmp_path / "run", make_story(400), faults))])
    figure.draw_without_rendering()
    assert {"_seen", "_never seen"} <= {item.get_label() for item in figure.axes[0].lines}
