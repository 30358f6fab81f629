"""The figure of one run: what is drawn is what was recorded."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from reports.data import read_run
from reports.series import TERMS
from reports.style import TERM_STYLES
from reports.terms import terms_figure


def areas(ax):
    return {c.get_label(): c for c in ax.collections if isinstance(c, PolyCollection)}


def line(ax, label):
    return next(item for item in ax.lines if item.get_label() == label)


def height_at(area, x):
    """How high an area reaches between two events."""
    crossing = [y for px, y in area.get_paths()[0].vertices if px == x]
    return max(crossing) - min(crossing)


def test_every_term_is_one_area_as_high_as_its_value(tmp_path: Path, make_story, save_run) -> None:
    made = make_story(20)
    figure = terms_figure(read_run(save_run(tmp_path / "run", made)))
    drawn = areas(figure.axes[0])
    assert list(drawn) == list(TERMS)
    for number, name in enumerate(TERMS[1:], start=1):
        assert height_at(drawn[name], 1) == made["full"][0, number]


def test_a_term_has_its_one_colour_and_its_hatch(tmp_path: Path, make_story, save_run) -> None:
    figure = terms_figure(read_run(save_run(tmp_path / "run", make_story(20))))
    for name, area in areas(figure.axes[0]).items():
        assert to_hex(area.get_facecolor()[0]) == TERM_STYLES[name].color
        assert (area.get_hatch() or "") == TERM_STYLES[name].hatch


def test_the_sum_is_a_step_line_that_lasts_one_event_beyond_the_last(
    tmp_path: Path, make_story, shift_term, save_run
) -> None:
    made = make_story(20)
    shift_term(made, 14, None, 0, -1, true=True)
    stack = terms_figure(read_run(save_run(tmp_path / "run", made))).axes[0]
    drawn = line(stack, "sum")
    assert drawn.get_drawstyle() == "steps-post"
    assert drawn.get_xdata().tolist() == list(range(1, 22))
    assert drawn.get_ydata().tolist() == [1000] * 13 + [999] * 8


def test_the_total_is_a_dashed_line_at_the_size_of_the_pool(tmp_path: Path, make_story, save_run) -> None:
    stack = terms_figure(read_run(save_run(tmp_path / "run", make_story(20)))).axes[0]
    total = next(item for item in stack.lines if str(item.get_label()).startswith("total"))
    assert set(total.get_ydata()) == {1000}
    assert total.is_dashed()


def test_a_large_available_is_cut_and_the_axis_says_so(tmp_path: Path, make_story, save_run) -> None:
    made = make_story(20)
    stack = terms_figure(read_run(save_run(tmp_path / "run", made))).axes[0]
    floor = stack.get_ylim()[0]
    assert 0 < floor < made["full"][:, 0].min()
    assert f"axis starts at {floor:.0f}" in stack.get_ylabel()


def test_a_full_pool_starts_at_zero(tmp_path: Path, make_story, save_run) -> None:
    made = make_story(20)
    made["full"][:, 3] += made["full"][:, 0]
    made["full"][:, 0] = 0
    assert terms_figure(read_run(save_run(tmp_path / "run", made))).axes[0].get_ylim()[0] == 0


def test_a_negative_term_hangs_below_zero_and_the_sum_line_stays_true(
    tmp_path: Path, make_story, shift_term, save_run
) -> None:
    made = make_story(40, total=4096)
    shift_term(made, 20, None, 3, -1664, true=False)
    held = int(made["full"][-1, 3])
    stack = terms_figure(read_run(save_run(tmp_path / "run", made))).axes[0]
    below = [y for _, y in areas(stack)["session_held"].get_paths()[0].vertices]
    assert held < 0
    assert min(below) == made["full"][:, 3].min()
    assert stack.get_ylim()[0] <= min(below)
    assert line(stack, "sum").get_ydata()[-1] == 4096 - 1664


def test_a_spike_of_one_event_in_a_hundred_thousand_is_drawn(
    tmp_path: Path, make_story, shift_term, save_run
) -> None:
    made = make_story(100_000)
    shift_term(made, 50_001, 50_002, 3, 77, true=False)
    stack, strip = terms_figure(read_run(save_run(tmp_path / "run", made))).axes
    assert len(line(stack, "sum").get_xdata()) < 5_000
    assert max(line(stack, "sum").get_ydata()) == 1077
    assert max(line(strip, "books: sum − total").get_ydata()) == 77


def test_of_a_long_run_the_areas_are_means_and_a_line_keeps_what_was_least_available(
    tmp_path: Path, make_story, shift_term, save_run
) -> None:
    made = make_story(64_000)
    made["full"][:, 1:] = 100
    made["full"][:, 0] = 600
    made["full"][::2, 1] += 40
    made["full"][::2, 2] -= 40
    made["full"][30_000, [0, 3]] += [-500, 500]
    stack = terms_figure(read_run(save_run(tmp_path / "run", made))).axes[0]
    drawn = areas(stack)
    assert height_at(drawn["evictable"], 1) == pytest.approx(120)
    assert height_at(drawn["protected"], 1) == pytest.approx(80)
    assert len(drawn["evictable"].get_paths()[0].vertices) < 1_000
    low = next(item for item in stack.lines if str(item.get_label()).startswith("available, least"))
    assert (low.get_ydata().min(), np.median(low.get_ydata())) == (100, 600)
    at = low.get_xdata()[low.get_ydata().argmin()]
    assert at <= 30_001 < at + 401


def test_cause_and_detection_are_marked_at_their_events(
    tmp_path: Path, make_story, make_fault, save_run
) -> None:
    run = read_run(save_run(tmp_path / "run", make_story(120), [make_fault("leak", -1, 30, 90)]))
    stack, strip = terms_figure(run).axes
    for panel in (stack, strip):
        guides = [item.get_xdata()[0] for item in panel.lines if set(item.get_xdata()) in ({30}, {90})]
        assert 30 in guides
        assert 90 in guides
    arrow = next(text for text in stack.texts if text.arrow_patch is not None)
    assert (arrow.xyann[0], arrow.xy[0]) == (30, 90)


def test_marks_stand_above_all_data(tmp_path: Path, make_story, make_fault, save_run) -> None:
    run = read_run(save_run(tmp_path / "run", make_story(120), [make_fault("leak", -1, 30, 90)]))
    clean = read_run(save_run(tmp_path / "clean", make_story(120)))
    with_mark, without = terms_figure(run).axes[0], terms_figure(clean).axes[0]
    assert with_mark.get_ylim()[1] > without.get_ylim()[1] > 1000


def test_figures_side_by_side_have_one_scale(scenario_of_four: Path) -> None:
    runs = [read_run(scenario_of_four / name) for name in ("clean", "leak", "false-alarm", "silent")]
    stacks = [terms_figure(run, beside=runs).axes for run in runs]
    assert len({axes[0].get_ylim() for axes in stacks}) == 1
    assert len({axes[1].get_ylim() for axes in stacks}) == 1


@pytest.mark.parametrize("events", [0, 1, 2])
def test_a_run_of_hardly_any_event_is_drawn(tmp_path: Path, make_story, save_run, events: int) -> None:
    figure = terms_figure(read_run(save_run(tmp_path / "run", make_story(events))))
    figure.draw_without_rendering()
    drawn = [len(item.get_xdata()) for item in figure.axes[0].lines if item.get_label() == "sum"]
    assert drawn == ([events + 1] if events else [])


def test_ticks_name_the_event_and_its_simulated_time(tmp_path: Path, make_story, save_run) -> None:
    strip = terms_figure(read_run(save_run(tmp_path / "run", make_story(20)))).axes[1]
    ticks = dict(zip(strip.get_xticks(), [t.get_text() for t in strip.get_xticklabels()], strict=True))
    assert ticks[np.float64(8)] == "8\n64 ms"
