"""The map of slots: read back, brought to the resolution of a figure, and drawn as it is."""

from pathlib import Path

import numpy as np
import pytest
from helpers.looked import DOUBLE, FREE, HELD, IN_USE, NOBODY, look_inside, save_slots
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from matplotlib.patches import PathPatch

from reports import ReportError
from reports.data import Cause, Verdict, read_run
from reports.shapes import boxes_in
from reports.slotmap import frames, slotmap_figure
from reports.slots import Grid, SlotMap, boxes_of, grid, read_slots, runs_in
from reports.style import OWNER_STYLES


def made(codes, event=None, unit: int = 1) -> SlotMap:
    codes = np.array(codes, dtype=np.uint8)
    event = np.arange(1, len(codes) + 1) if event is None else np.array(event)
    return SlotMap("full", event, codes, unit, codes.shape[1] * unit, 1, 1)


def verdict(slots, began: int, kind: str = "leak") -> Verdict:
    cause = Cause(what="x", event=began, slots=tuple(slots))
    return Verdict(verdict=kind, pool="full", size=-1, event=began, cause=cause)


def drawn(ax, name: str):
    return [box for p in ax.patches if p.get_label() == f"_{name}" for box in boxes_in(p)]


def test_a_map_is_read_back(tmp_path: Path) -> None:
    save_slots(tmp_path, [1, 4], {"full": [[0, 4], [5, 4]], "rows": [[0], [4]]}, full_unit=16, full_page=np.int64(16))
    maps = read_slots(tmp_path / "slots.npz")
    assert list(maps) == ["full", "rows"]
    assert maps["full"].codes.tolist() == [[0, 4], [5, 4]]
    assert (maps["full"].unit, maps["full"].total, maps["full"].page) == (16, 32, 16)


def test_no_file_is_no_map(tmp_path: Path) -> None:
    assert read_slots(tmp_path / "slots.npz") == {}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"full_total": None}, "the array 'full_total' is missing"),
        ({"event": None}, "the array 'event' is missing"),
        ({"full_unit": np.int64(0)}, "'full' has 3 slots in bins of 0"),
        ({"full_unit": np.array(["x"])}, "'full_unit' holds no plain numbers"),
        ({"event": np.array([2, 1])}, "event numbers do not rise"),
        ({"event": np.array([[1, 2]])}, "'event' holds no plain numbers"),
        ({"event": np.zeros(0, dtype=np.int64), "full": np.zeros((0, 3), dtype=np.uint8)}, "event numbers do not rise"),
        ({"full": np.zeros((2, 2), dtype=np.uint8)}, "'full' has shape (2, 2) instead of (2, 3)"),
        ({"full": np.full((2, 3), 7, dtype=np.uint8)}, "'full' holds classes of owners that are unknown"),
        ({"full": np.zeros((2, 3))}, "'full' holds classes of owners that are unknown"),
        ({"full": np.array([[{}] * 3] * 2, dtype=object)}, "this is no archive"),
    ],
)
def test_a_damaged_map_is_one_line(tmp_path: Path, changed, said: str) -> None:
    path = save_slots(tmp_path, [1, 2], {"full": np.zeros((2, 3))})
    with np.load(path) as file:
        arrays = dict(file) | changed
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(ReportError) as caught:
        read_slots(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("; run the scenario again with --out")


@pytest.mark.parametrize("keep", [0, 100])
def test_a_map_that_was_cut_off_is_one_line(tmp_path: Path, keep: int) -> None:
    path = save_slots(tmp_path, [1, 2], {"full": np.zeros((2, 3))})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ReportError, match=r"slots.npz:1:1: this is no archive"):
        read_slots(path)


def test_slots_that_were_never_used_are_left_out() -> None:
    shown = grid(made([[0, 0, 4, 0, 0], [0, 0, 4, 4, 0]]), 3.0, wide=10, high=10)
    assert shown.slots.tolist() == [3, 4, 5]
    assert shown.codes.tolist() == [[IN_USE, FREE], [IN_USE, IN_USE]]


def test_an_unused_pool_is_shown_whole() -> None:
    assert grid(made([[0, 0, 0]]), 2.0, wide=10, high=10).codes.shape == (1, 3)


def test_a_line_of_many_slots_has_their_commonest_owner_but_what_is_wrong_shows() -> None:
    codes = np.full((1, 40), IN_USE)
    codes[0, 4:10] = HELD
    codes[0, 37] = NOBODY
    codes[0, 39] = DOUBLE
    shown = grid(made(codes), 2.0, wide=5, high=4)
    assert shown.codes.tolist() == [[HELD, IN_USE, IN_USE, DOUBLE]]
    assert shown.slots.tolist() == [1, 11, 21, 31, 41]


def test_a_column_of_many_events_has_the_commonest_owner_but_what_is_wrong_shows() -> None:
    codes = np.full((40, 3), IN_USE)
    codes[[0, 1, 10, 11], 0] = FREE
    codes[20:28, 1] = HELD
    codes[33, 2] = NOBODY
    shown = grid(made(codes), 41.0, wide=4, high=3)
    assert shown.codes.T.tolist() == [[IN_USE] * 4, [IN_USE, IN_USE, HELD, IN_USE], [IN_USE, IN_USE, IN_USE, NOBODY]]
    assert shown.events.tolist() == [1, 11, 21, 31, 41]


@pytest.mark.parametrize(
    ("first", "page", "said"),
    [
        (1, 1, "full pool: 40 slots, numbered 1 to 40"),
        (16, 16, "full pool: 40 slots, numbered 16 to 55, pages of 16"),
        (0, 1, "full pool: 40 slots"),
    ],
)
def test_a_pool_that_was_used_whole_says_how_its_slots_are_numbered(
    scenario_of_four: Path, first: int, page: int, said: str
) -> None:
    figures = {"full_first": np.int64(first), "full_page": np.int64(page)}
    save_slots(scenario_of_four / "leak", [1, 2], {"full": np.full((2, 40), IN_USE)}, **figures)
    run = read_run(scenario_of_four / "leak")
    assert slotmap_figure(run, read_slots(run.folder / "slots.npz")).axes[0].get_title(loc="left") == said


@given(st.integers(0, 999), st.integers(1, 60), st.integers(1, 40), st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_whatever_is_lost_or_double_is_in_its_cell(seed: int, events: int, bins: int, wide: int, high: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.choice(7, (events, bins), p=[0.5, 0.1, 0.1, 0.1, 0.16, 0.02, 0.02])
    slots = made(codes, np.cumsum(rng.integers(1, 4, events)))
    end = float(slots.event[-1]) + 1
    shown = grid(slots, end, wide=wide, high=high)
    assert shown.codes.shape == (len(shown.events) - 1, len(shown.slots) - 1)
    assert len(shown.events) <= max(wide, 1) + 1
    assert len(shown.slots) <= high + 1
    for at, slot in zip(*np.nonzero(codes >= NOBODY), strict=True):
        column = np.searchsorted(shown.events, slots.event[at], side="right") - 1
        line = np.searchsorted(shown.slots, slot + 1, side="right") - 1
        assert shown.codes[column, line] >= codes[at, slot]


@given(st.integers(0, 999), st.integers(1, 25), st.integers(1, 25))
@settings(deadline=None)
def test_the_boxes_of_all_classes_are_the_map(seed: int, events: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    codes = np.repeat(rng.integers(0, 7, (events, bins)), 2, axis=0).astype(np.uint8)
    shown = Grid(np.arange(1.0, 2 * events + 2), np.arange(5.0, bins + 6), codes)
    painted = np.full(codes.shape, -1)
    boxes = 0
    for code in range(7):
        for left, low, right, high in boxes_of(shown, code):
            area = painted[int(left) - 1 : int(right) - 1, int(low) - 5 : int(high) - 5]
            assert (area == -1).all()
            area[:] = code
            boxes += 1
    assert (painted == codes).all()
    assert boxes <= runs_in(shown)


def test_a_lost_slot_is_framed_from_its_cause_until_it_is_owned_again() -> None:
    codes = np.zeros((10, 6))
    codes[:, 2] = IN_USE
    codes[3:7, 2] = NOBODY
    assert frames(made(codes), verdict([3], 4), 11.0) == [((4.0, 3.0, 8.0, 4.0), NOBODY)]


def test_a_slot_lost_for_good_is_framed_to_the_end_and_neighbours_in_one() -> None:
    codes = np.zeros((10, 8))
    codes[5:, [1, 2, 6]] = DOUBLE
    assert frames(made(codes, unit=16), verdict([17, 40, 100, 5000], 6), 11.0) == [
        ((6.0, 17.0, 11.0, 49.0), DOUBLE),
        ((6.0, 97.0, 11.0, 113.0), DOUBLE),
    ]


def test_slots_of_a_false_alarm_are_framed_at_the_cause_only() -> None:
    codes = np.full((10, 4), HELD)
    assert frames(made(codes), verdict([2], 6, "false-alarm"), 11.0) == [((6.0, 2.0, 7.0, 3.0), 0)]


def test_a_cause_between_two_samples_is_framed() -> None:
    codes = np.zeros((3, 4))
    codes[2:, 1] = NOBODY
    assert frames(made(codes, [1, 5, 9]), verdict([2], 7), 12.0) == [((7.0, 2.0, 12.0, 3.0), NOBODY)]


def test_the_figure_draws_each_class_where_it_is(scenario_of_four: Path) -> None:
    folder = look_inside(scenario_of_four / "leak")
    full, rows = slotmap_figure(read_run(folder), read_slots(folder / "slots.npz")).axes
    assert drawn(full, "protected") == [(3.0, 1.0, 121.0, 20.0)]
    assert (21.0, 26.0, 121.0, 27.0) in drawn(full, "nobody's")
    assert drawn(full, "held by a session") == [(20.0, 20.0, 21.0, 27.0)]
    assert drawn(rows, "in use") == [(3.0, 1.0, 121.0, 2.0)]
    frame = drawn(full, "framed")[0]
    assert (frame[0], frame[2]) == (21.0, 121.0)
    assert frame[1] <= 26.0 < 27.0 <= frame[3]


def test_the_figure_says_which_slots_it_shows(scenario_of_four: Path) -> None:
    folder = look_inside(scenario_of_four / "leak")
    full, rows = slotmap_figure(read_run(folder), read_slots(folder / "slots.npz")).axes
    assert full.get_title(loc="left") == "full pool: 40 slots, only slots 1 to 33 were ever used"
    assert rows.get_title(loc="left") == "rows: 1 row, numbered 1"
    assert [tick.get_text() for tick in rows.get_yticklabels()] == ["1"]


def test_owners_have_the_colours_of_their_accounts(scenario_of_four: Path) -> None:
    folder = look_inside(scenario_of_four / "leak")
    figure = slotmap_figure(read_run(folder), read_slots(folder / "slots.npz"))
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[:5] == ["free", "protected", "held by a session", "in use", "nobody's"]
    for patch in figure.axes[0].patches:
        if isinstance(patch, PathPatch) and patch.get_label()[1:] in OWNER_STYLES:
            assert (patch.get_hatch() or "") == OWNER_STYLES[patch.get_label()[1:]].hatch


def test_one_slot_of_a_thousand_lost_at_one_event_of_many_is_seen(
    tmp_path: Path, make_story, make_fault, save_run
) -> None:
    folder = save_run(tmp_path / "run", make_story(100_000), [make_fault("leak", -1, 50_000, None)])
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 5, (400, 1024))
    event = np.sort(rng.choice(np.arange(2, 100_000), 399, replace=False))
    event = np.unique(np.append(event, 50_000))
    codes[np.searchsorted(event, 50_000), 700] = NOBODY
    save_slots(folder, event, {"full": codes[: len(event)]})
    ax = slotmap_figure(read_run(folder), read_slots(folder / "slots.npz")).axes[0]
    assert len(ax.images) == 1
    ((left, low, right, high),) = drawn(ax, "nobody's")
    assert left <= 50_000 < right
    assert low <= 701 < high


def test_a_picture_has_the_colours_of_its_cells(tmp_path: Path, make_story, save_run) -> None:
    folder = save_run(tmp_path / "run", make_story(400))
    codes = np.random.default_rng(2).integers(0, 5, (400, 300))
    save_slots(folder, range(1, 401), {"full": codes})
    image = slotmap_figure(read_run(folder), read_slots(folder / "slots.npz")).axes[0].images[0]
    pixels = np.asarray(image.get_array())
    high, wide, _ = pixels.shape
    assert 50 < high < 300
    assert 100 < wide < 400
    shown = grid(read_slots(folder / "slots.npz")["full"], 401.0, wide=wide, high=high).codes.T
    assert len(np.unique(pixels.reshape(-1, 4), axis=0)) == 5
    assert (pixels[shown == FREE][:, 3] < 128).all()
    assert (pixels[shown == IN_USE] == tuple(round(255 * part) for part in to_rgba(OWNER_STYLES["in use"].color))).all()
