"""Verdict marks: where a fault began, where the release's own check saw it, and an arrow between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform, blended_transform_factory

from reports.data import Verdict
from reports.style import INK, PAPER

LEVEL_POINTS = 17.0
_MOST_LEVELS = 3
_LABEL_POINTS = 11.0
_SEEN_POINTS = 13.0
_POINTS_PER_CHARACTER = 5.0


@dataclass(frozen=True)
class Mark:
    """Verdicts with one cause and one detection; numbers are those of the verdict table."""

    numbers: tuple[int, ...]
    began: int
    seen: int | None
    level: int = 0

    @property
    def label(self) -> str:
        """The numbers as one short word."""
        first, last = self.numbers[0], self.numbers[-1]
        return str(first) if first == last else f"{first}–{last}"


def marks_of(verdicts: Sequence[tuple[int, Verdict]], *, events: float, width: float) -> tuple[Mark, ...]:
    """The marks of numbered verdicts on as few levels as hold them, in a figure `width` points and `events` wide.

    What finds no place is joined with the last one that did: the table has each verdict anyway.
    """
    per_point = events / width
    ends: list[float] = []
    placed: list[Mark] = []
    for mark in _groups(verdicts):
        start = mark.began - _LABEL_POINTS * per_point
        last = float("inf") if mark.seen is None else float(mark.seen)
        end = max(last, mark.began + _beside(mark) * per_point) + _LABEL_POINTS * per_point
        level = next((n for n, taken in enumerate(ends) if taken <= start), len(ends))
        if level == _MOST_LEVELS:
            placed[-1] = replace(placed[-1], numbers=placed[-1].numbers + mark.numbers)
            continue
        ends[level : level + 1] = [end]
        placed.append(replace(mark, level=level))
    return tuple(placed)


def levels_of(marks: Sequence[Mark]) -> int:
    """How many levels the band of marks has."""
    return max((mark.level + 1 for mark in marks), default=0)


def events_of(verdicts: Sequence[tuple[int, Verdict]]) -> list[int]:
    """Every event that a mark may stand on."""
    return [event for _, verdict in verdicts for event in (verdict.began, verdict.seen) if event is not None]


def headroom(ax: Axes, levels: int, height: float) -> None:
    """Lift the upper limit, so that the band covers no data and carries no ticks."""
    low, high = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticks() if low <= tick <= high]
    share = min(0.6, (levels * LEVEL_POINTS + 4) / height) if levels else 0.0
    ax.set_yticks(ticks)
    ax.set_ylim(low, low + (high - low) / (1 - share))


def draw_marks(ax: Axes, marks: Sequence[Mark], *, guides: Sequence[Axes] = ()) -> None:
    """Draw the marks in the band at the top of `ax`, with guides through the panels."""
    right = ax.get_xlim()[1]
    for mark in marks:
        band = _band(ax, mark.level)
        for event in sorted({mark.began} if mark.seen is None else {mark.began, mark.seen}):
            for panel in guides or (ax,):
                panel.axvline(event, color=INK, linewidth=0.7, linestyle=(0, (1, 2)), zorder=4)
        _join(ax, mark, band, right)
        ax.annotate(
            mark.label,
            (mark.began, 1),
            xycoords=band,
            ha="center",
            va="center",
            fontsize=7.5,
            color=PAPER,
            zorder=7,
            annotation_clip=False,
            bbox={"boxstyle": "round,pad=0.3,rounding_size=0.6", "facecolor": INK, "edgecolor": INK},
        )


def mark_handles(marks: Sequence[Mark]) -> list[Line2D]:
    """What a legend says of the marks that were drawn."""
    handles = []
    if marks:
        handles.append(_handle("s", "cause (number: verdict)"))
    if any(mark.seen is not None for mark in marks):
        handles.append(_handle("X", "seen by the release's check"))
    return handles


def _groups(verdicts: Sequence[tuple[int, Verdict]]) -> list[Mark]:
    """Verdicts that share cause and detection stand under one mark."""
    groups: list[Mark] = []
    for number, verdict in verdicts:
        last = groups[-1] if groups else None
        if last is not None and (last.began, last.seen) == (verdict.began, verdict.seen):
            groups[-1] = replace(last, numbers=(*last.numbers, number))
        else:
            groups.append(Mark((number,), verdict.began, verdict.seen))
    return groups


def _band(ax: Axes, level: int) -> Transform:
    """x in events, y downwards from the top of the axes, one level after the other."""
    down = ScaledTranslation(0, -(level + 0.6) * LEVEL_POINTS / 72, ax.figure.dpi_scale_trans)
    return blended_transform_factory(ax.transData, ax.transAxes) + down


def _beside(mark: Mark) -> float:
    """How far right of its cause a detection in the same event stands: clear of the label, however long it is."""
    return _SEEN_POINTS + _POINTS_PER_CHARACTER / 2 * (len(mark.label) - 1)


def _join(ax: Axes, mark: Mark, band: Transform, right: float) -> None:
    """The arrow from cause to detection, or a dotted one towards the end that says "never seen"."""
    if mark.seen is None:
        _arrow(ax, mark.began, right, band, style=":")
        above = band + ScaledTranslation(-6 / 72, 2 / 72, ax.figure.dpi_scale_trans)
        ax.annotate("never seen", (right, 1), xycoords=above, ha="right", va="bottom", fontsize=7)
        return
    shift = ScaledTranslation(
        _beside(mark) / 72 if mark.seen == mark.began else 0, 0, ax.figure.dpi_scale_trans
    )
    if mark.seen != mark.began:
        _arrow(ax, mark.began, mark.seen, band, style="-")
    ax.plot(
        [mark.seen],
        [1],
        marker="X",
        markersize=7,
        color=INK,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        linestyle="none",
        transform=band + shift,
        clip_on=False,
        zorder=6,
        label="_seen",
    )


def _arrow(ax: Axes, start: float, end: float, band: Transform, *, style: str) -> None:
    ax.annotate(
        "",
        (end, 1),
        xytext=(start, 1),
        xycoords=band,
        textcoords=band,
        annotation_clip=False,
        zorder=5,
        arrowprops={
            "arrowstyle": "->",
            "color": INK,
            "linewidth": 1.1,
            "linestyle": style,
            "shrinkA": 5,
            "shrinkB": 4,
        },
    )


def _handle(marker: str, label: str) -> Line2D:
    return Line2D([], [], color=INK, marker=marker, linestyle="none", markersize=6, label=label)
