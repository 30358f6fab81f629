"""The figure of all variants: false alarm, leak and silent fault differ in what is drawn."""

from pathlib import Path

from reports.data import read_run
from reports.difference import difference_figure


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
    axes = difference_figure([read_run(scenario_of_four / name) for name in ("clean", "leak")]).axes
    assert len({ax.get_xlim() for ax in axes}) == 1
    assert len({ax.get_ylim()[0] for ax in axes}) == 1


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


def test_a_fault_that_no_check_sees_says_so(scenario_of_four: Path) -> None:
    ax = difference_figure([read_run(scenario_of_four / "silent")]).axes[0]
    assert "never seen" in [text.get_text() for text in ax.texts]


def test_variants_of_different_length_end_where_they_ended(tmp_path: Path, make_story, save_run) -> None:
    runs = [read_run(save_run(tmp_path / f"n{n}", make_story(n))) for n in (20, 60)]
    axes = difference_figure(runs).axes
    ends = [
        max(next(i for i in ax.lines if i.get_label() == "books: sum − total").get_xdata()) for ax in axes
    ]
    assert ends == [21, 61]
    assert axes[0].get_xlim()[1] == 61
