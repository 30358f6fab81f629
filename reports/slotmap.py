"""The figure that shows where the memory went: every slot over time in the colour of its owner's account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from reports.data import Run, Verdict
from reports.marks import Mark, draw_marks, headroom, levels_of, mark_handles, marks_of
from reports.numbers import count
from reports.shapes import Box, boxes
from reports.slots import DOUBLE, NOBODY, Grid, SlotMap, boxes_of, grid, runs_in
from reports.style import INK, OWNER_STYLES, PAPER, dress, event_axis, look

_WIDTH = 7.2
_WIDTH_POINTS = 440.0
_PANEL_POINTS = {"full": 190.0, "swa": 150.0, "mamba": 100.0, "rows": 90.0}
_EDGES_POINTS = 118.0
_TITLE_POINTS = 26.0
_COLUMNS = 480
_LINES_PER_POINT = 2
_CELL_POINTS = (3.0, 1.4)
_MOST_RUNS = 2500
_MOST_WRONG = 1000
_LEAST_FRAME = 0.012
_EACH_NAMED = 8
_TICKS = 6
_NAMES = {
    "full": ("full pool", "slot"),
    "swa": ("pool swa", "SWA slot"),
    "mamba": ("pool mamba", "state"),
    "rows": ("rows", "row"),
}


@look()
def slotmap_figure(run: Run, maps: Mapping[str, SlotMap]) -> Figure:
    """A panel for each pool; the slots that verdicts name are framed from the cause on."""
    end = float(max(run.series.event[-1] if len(run.series) else 0, *(m.event[-1] for m in maps.values()))) + 1
    numbered = list(enumerate(run.outcome.verdicts, start=1))
    of_pool = {pool: [(n, v) for n, v in numbered if _pool_of(v, maps) == pool] for pool in maps}
    marks = {pool: marks_of(named, events=end, width=_WIDTH_POINTS) for pool, named in of_pool.items()}
    tall = [_height(m, marks[pool]) for pool, m in maps.items()]
    height = sum(tall) + _TITLE_POINTS * len(maps) + _EDGES_POINTS
    figure = Figure(figsize=(_WIDTH, height / 72), layout="constrained")
    panels = figure.subplots(len(maps), 1, squeeze=False, gridspec_kw={"height_ratios": tall})[:, 0]
    present: set[int] = set()
    framed = False
    for ax, (pool, slots), points in zip(panels, maps.items(), tall, strict=True):
        shown = _shown(slots, end, points)
        present |= set(np.unique(shown.codes).tolist())
        _dress(ax, slots, shown)
        _fill(ax, slots, shown, end)
        headroom(ax, levels_of(marks[pool]), points)
        framed |= _frame(ax, slots, of_pool[pool], end)
        draw_marks(ax, marks[pool])
        ax.tick_params(labelbottom=ax is panels[-1])
    if len(run.series):
        event_axis(list(panels), [run.series], end)
    _legend(figure, present, [mark for row in marks.values() for mark in row], framed)
    return figure


def _height(slots: SlotMap, marks: Sequence[Mark]) -> float:
    """A pool of few slots needs no tall panel."""
    low, top = slots.used
    return min(_PANEL_POINTS[slots.pool], 34.0 + 6.0 * (top - low)) + 17.0 * levels_of(marks)


def _shown(slots: SlotMap, end: float, points: float) -> Grid:
    """All that a figure can show, but of what would be noise the cells that the eye can still tell apart."""
    fine = grid(slots, end, wide=_COLUMNS, high=int(_LINES_PER_POINT * points))
    if runs_in(fine) <= _MOST_RUNS:
        return fine
    return grid(slots, end, wide=int(_WIDTH_POINTS / _CELL_POINTS[0]), high=int(points / _CELL_POINTS[1]))


def _pool_of(verdict: Verdict, maps: Mapping[str, SlotMap]) -> str:
    return verdict.pool if verdict.pool in maps else "full"


def _dress(ax: Axes, slots: SlotMap, shown: Grid) -> None:
    dress(ax)
    ax.grid(visible=False)
    name, unit = _NAMES[slots.pool]
    low, high = float(shown.slots[0]), float(shown.slots[-1])
    last = min(high, slots.first + slots.total) - 1
    many = last > low
    span = f"{count(low)} to {count(last)}" if many else count(low)
    words = [f"{name}: {count(slots.total)} {unit}{'s' if slots.total > 1 else ''}"]
    if last - low + 1 < slots.total:
        words.append(f"only {unit}{'s' if many else ''} {span} {'were' if many else 'was'} ever used")
    elif low:
        words.append(f"numbered {span}")
    if slots.page > 1:
        words.append(f"pages of {slots.page}")
    ax.set_title(", ".join(words), loc="left", color=INK)
    ax.set_ylabel(unit)
    if high - low <= _EACH_NAMED:
        numbers = np.arange(low, high)
        ax.set_yticks(numbers + 0.5, [count(number) for number in numbers])
    else:
        step = slots.page * max(1, round((high - low) / slots.page / _TICKS)) if slots.page > 1 else 0
        ax.yaxis.set_major_locator(MultipleLocator(step) if step else MaxNLocator(nbins=_TICKS, integer=True))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    ax.set_ylim(low, high)
    ax.set_xlim(float(shown.events[0]), float(shown.events[-1]))


def _fill(ax: Axes, slots: SlotMap, shown: Grid, end: float) -> None:
    """Boxes with hatches, or one picture where they would be too many; what is wrong is a box in any case."""
    if runs_in(shown) <= _MOST_RUNS:
        for code in range(NOBODY):
            _boxes(ax, boxes_of(shown, code), code)
    else:
        _picture(ax, shown)
    for code in (NOBODY, DOUBLE):
        _boxes(ax, _wrong(slots, shown, end, code), code)


def _wrong(slots: SlotMap, shown: Grid, end: float, code: int) -> list[Box]:
    """The boxes of what is lost, or double: in ever larger cells where it is everywhere."""
    found = boxes_of(shown, code)
    wide, high = len(shown.events) - 1, len(shown.slots) - 1
    while len(found) > _MOST_WRONG:
        wide, high = max(1, wide // 2), max(1, high // 2)
        found = boxes_of(grid(slots, end, wide=wide, high=high), code)
    return found


def _boxes(ax: Axes, found: Sequence[Box], code: int) -> None:
    if not found:
        return
    name, style = list(OWNER_STYLES.items())[code]
    edge = None if code < NOBODY else PAPER if code == DOUBLE else INK
    above = 1 if code < NOBODY else 2
    patch = boxes(ax, found, face=style.color, hatch=style.hatch, alpha=style.alpha, edge=edge, zorder=above)
    patch.set_label(f"_{name}")


def _picture(ax: Axes, shown: Grid) -> None:
    """One pixel for each cell; nothing where a slot is free, so that it follows light and dark."""
    palette = [to_rgba(style.color, style.alpha) for style in OWNER_STYLES.values()]
    pixels = (np.array(palette) * 255).round().astype(np.uint8)[shown.codes.T]
    extent = (shown.events[0], shown.events[-1], shown.slots[0], shown.slots[-1])
    ax.imshow(pixels, extent=extent, origin="lower", aspect="auto", interpolation="none", zorder=1)


def frames(slots: SlotMap, verdict: Verdict, end: float) -> list[tuple[Box, int]]:
    """Where the slots of a cause lie, from its event until none of them is lost or double any more, and its class.

    Slots with nothing wrong about them (of a false alarm, say) are framed at the cause only, and have class 0.
    """
    bins = slots.bins_of(verdict.cause.slots if verdict.cause else ())
    found = []
    for run in np.split(bins, np.flatnonzero(np.diff(bins) > 1) + 1) if len(bins) else ():
        start = int(np.searchsorted(slots.event, verdict.began))
        worst = slots.codes[start:, run].max(axis=1, initial=0)
        sound = np.flatnonzero(worst < NOBODY)
        stop = start + max(1, int(sound[0]) if len(sound) else len(worst))
        right = float(slots.event[stop]) if stop < len(slots.event) else end
        low, high = (float(slots.first + slots.unit * at) for at in (int(run[0]), int(run[-1]) + 1))
        code = int(worst[0]) if len(worst) and worst[0] >= NOBODY else 0
        found.append(((float(verdict.began), low, right, high), code))
    return found


def _frame(ax: Axes, slots: SlotMap, numbered: Sequence[tuple[int, Verdict]], end: float) -> bool:
    """Frames that are seen even around one slot of a thousand; whether there are any."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    wide, tall = _LEAST_FRAME * (right - left), _LEAST_FRAME * (high - low)
    found = dict.fromkeys(frame for _, verdict in numbered for frame in frames(slots, verdict, end))
    drawn = []
    for (x0, y0, x1, y1), code in found:
        grow = max(0.0, (tall - (y1 - y0)) / 2)
        drawn.append((x0, y0 - grow, max(x1, x0 + wide), y1 + grow))
        if grow and code:
            _boxes(ax, drawn[-1:], code)
    if drawn:
        boxes(ax, drawn, face="none", edge=INK, width=1.4, zorder=5).set_label("_framed")
    return bool(drawn)


def _legend(figure: Figure, present: set[int], marks: Sequence[Mark], framed: bool) -> None:
    handles: list[Patch | Line2D] = []
    for code, (name, s) in enumerate(OWNER_STYLES.items()):
        if code in present:
            edge = PAPER if code == DOUBLE else INK
            patch = Patch(facecolor=s.color, alpha=s.alpha, hatch=s.hatch, edgecolor=edge, linewidth=0, label=name)
            handles.append(patch)
    if framed:
        handles.append(Patch(facecolor="none", edgecolor=INK, linewidth=1.4, label="named by a verdict's cause"))
    figure.legend(handles=[*handles, *mark_handles(marks)], loc="outside lower center", ncols=3, frameon=False)
