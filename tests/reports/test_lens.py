"""One row under the lens: cursors as bars, and frames around the positions that name the slots of the cause."""

from pathlib import Path

from helpers.looked import look_inside, row, save_moment

from reports.data import read_run
from reports.lens import lens_figure
from reports.log import events_at
from reports.shapes import boxes_in


def figure_of(folder: Path):
    run = read_run(folder)
    (moment,) = run.moments
    events = events_at(folder, {step.event for step in moment.steps})
    return lens_figure(run, moment, {event["event"]: event for event in events})


def drawn(ax, name: str):
    """Boxes as (bar, first position, one after the last)."""
    found = [box for p in ax.patches if p.get_label() == f"_{name}" for box in boxes_in(p)]
    return [(round((low + high) / 2), left, right) for left, low, right, high in found]


def test_bars_and_frames_are_those_of_the_rows(scenario_of_four: Path) -> None:
    ax = figure_of(look_inside(scenario_of_four / "leak")).axes[0]
    assert drawn(ax, "protected") == [(0, 0, 19), (1, 0, 19), (2, 0, 19)]
    assert drawn(ax, "in use") == [(0, 19, 26), (2, 19, 27)]
    assert drawn(ax, "in use, reserved") == [(0, 26, 33)]
    assert drawn(ax, "held") == [(1, 19, 26)]
    assert drawn(ax, "named") == [(0, 25, 26), (1, 25, 26)]
    assert drawn(ax, "lost") == [(2, 25, 26)]
    assert ax.get_title(loc="left") == "row 1 of a, around the cause of 1: leak −1\nposition 25: slot 26 → 34"


def test_each_bar_says_what_happened_and_where_the_cursors_stand(scenario_of_four: Path) -> None:
    ax = figure_of(look_inside(scenario_of_four / "leak")).axes[0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["19 decode", "20 decode", "21 decode"]
    assert [text.get_text() for text in ax.texts] == ["p 19  c 26  a 33", "p 19  c 26  a 26", "p 19  c 27  a 27"]
    signs = [(item.get_label(), item.get_ydata()[0]) for item in ax.lines if str(item.get_label()).startswith("_")]
    assert ("_cause", 2) in signs
    assert ("_seen", 2) in signs


def test_a_long_row_is_shown_around_the_fault(scenario_of_four: Path) -> None:
    folder = scenario_of_four / "leak"
    slots = list(range(100, 500))
    slots[300] = 26
    save_moment(folder, 21, {20: [row(64, 390, 400, slots)], 21: [row(64, 390, 400, slots)]})
    ax = figure_of(folder).axes[0]
    assert ax.get_xlim() == (268, 400)
    assert ax.get_xlabel() == "position in the row (axis starts at 268)"


def test_the_window_s_cursor_is_marked(scenario_of_four: Path) -> None:
    folder = scenario_of_four / "leak"
    save_moment(folder, 21, {20: [row(0, 30, 30)], 21: [row(0, 38, 38, e=42)]})
    ax = figure_of(folder).axes[0]
    assert [item.get_data() for item in ax.lines if item.get_label() == "_e"] == [((42,), (1,))]
    assert ax.texts[-1].get_text() == "p 0  c 38  a 38  e 42"


def test_a_session_that_closed_keeps_its_line_and_its_turn_goes_first(scenario_of_four: Path) -> None:
    folder = scenario_of_four / "leak"
    closed = row(10, 20, 20, session="a (closed)", request=None)
    turn = row(10, 24, 24)
    other = row(0, 3, 3, session="b", request="b/1", row=2)
    save_moment(folder, 21, {20: [closed, turn, other], 21: [closed]})
    ax = figure_of(folder).axes[0]
    assert drawn(ax, "in use") == [(0, 10, 24)]
    assert drawn(ax, "held") == [(1, 10, 20)]
    assert "(1 more row named, not shown)" in ax.get_title(loc="left")


def test_events_that_are_left_out_leave_a_line(scenario_of_four: Path) -> None:
    folder = scenario_of_four / "leak"
    save_moment(folder, 21, {20: [row(0, 3, 3)], 21: [row(0, 3, 3)], 40: [row(0, 3, 3)]})
    ax = figure_of(folder).axes[0]
    assert [item.get_ydata()[0] for item in ax.lines if item.is_dashed()] == [1.5]
