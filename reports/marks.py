"""Verdict marks: where a fault began, where the release's own check saw it, and an arrow between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

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
_MOST_CHARACTERS = 9


@dataclass(frozen=True)
class Mark:
    """Verdicts under one label; each distinct cause and detection (None: never seen) of them is in `fates`."""

    numbers: tuple[int, ...]
    fates: tuple[tuple[int, int | None], ...]
    level: int = 0

    @property
    def began(self) -> int:
        """The first cause: where the label stands."""
        return self.fates[0][0]

    @property
    def seen(self) -> bool:
        """Whether the release's checks saw any of these."""
        return any(seen is not None for _, seen in self.fates)

    @property
    def unseen(self) -> bool:
        """Whether there is one among these that they never saw."""
        return any(seen is None for _, seen in self.fates)

    @property
    def events(self) -> list[int]:
        """Every cause and every detection."""
        return sorted({event for fate in self.fates for event in fate if event is not None})

    @property
    def label(self) -> str:
        """The numbers as one short word."""
        runs = [[n for _, n in run] for _, run in groupby(enumerate(self.numbers), lambda pair: pair[1] - pair[0])]
        text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
        return text if len(text) <= _MOST_CHARACTERS else f"{self.numbers[0]} … {self.numbers[-1]}"


def marks_of(verdicts: Sequence[tuple[int, Verdict]], *, events: float, width: float) -> tuple[Mark, ...]:
    """The marks of numbered verdicts on as few levels as hold them, in a figure `width` points and `events` wide.

    What finds no place is joined with the mark that ends first, and keeps its own cause and detection there.
    """
    per_point = events / width
    placed: list[Mark] = []
    last: list[int] = []
    """Of each level, which mark stands last on it."""
    for mark in _groups(verdicts):
        start = mark.began - _LABEL_POINTS * per_point
        ends = [_end(placed[at], per_point) for at in last]
        level = next((n for n, end in enumerate(ends) if end <= start), len(last))
        if level == _MOST_LEVELS:
            at = last[ends.index(min(ends))]
            placed[at] = _joined(placed[at], mark)
            continue
        last[level : level + 1] = [len(placed)]
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
    for event in sorted({event for mark in marks for event in mark.events}):
        for panel in guides or (ax,):
            guide(panel, event)
    for mark in marks:
        band = _band(ax, mark.level)
        _join(ax, mark, band)
        badge(ax, mark.label, mark.began, 1, band)


def guide(ax: Axes, at: float) -> None:
    """A thin line down the panel."""
    ax.axvline(at, color=INK, linewidth=0.7, linestyle=(0, (1, 2)), zorder=4)


def badge(ax: Axes, label: str, x: float, y: float, where: Transform) -> None:
    """The number under which a verdict stands in the table."""
    ax.annotate(
        label,
        (x, y),
        xycoords=where,
        ha="center",
        va="center",
        fontsize=7.5,
        color=PAPER,
        zorder=7,
        annotation_clip=False,
        bbox={"boxstyle": "round,pad=0.3,rounding_size=0.6", "facecolor": INK, "edgecolor": INK},
    )


def mark_handles(marks: Iterable[Mark]) -> list[Line2D]:
    """What a legend says of the marks that were drawn."""
    drawn = list(marks)
    handles = []
    if drawn:
        handles.append(_handle("s", "cause (number: verdict)"))
    if any(mark.seen for mark in drawn):
        handles.append(_handle("X", "seen by the release's check"))
    if any(mark.unseen for mark in drawn):
        handles.append(_handle("o", "never seen by it", fill=PAPER))
    return handles


def _groups(verdicts: Sequence[tuple[int, Verdict]]) -> list[Mark]:
    """Verdicts that share cause and detection stand under one mark; marks in the order of their causes."""
    groups: dict[tuple[int, int | None], list[int]] = {}
    for number, verdict in verdicts:
        groups.setdefault((verdict.began, verdict.seen), []).append(number)
    marks = [Mark(tuple(numbers), (fate,)) for fate, numbers in groups.items()]
    return sorted(marks, key=lambda mark: (mark.began, mark.numbers))


def _joined(first: Mark, second: Mark) -> Mark:
    fates = dict.fromkeys((*first.fates, *second.fates))
    return replace(first, numbers=tuple(sorted((*first.numbers, *second.numbers))), fates=tuple(fates))


def _end(mark: Mark, per_point: float) -> float:
    """Where the next mark of the same level may begin."""
    far = max(mark.events[-1], mark.began + _beside(mark, mark.seen + mark.unseen) * per_point)
    return far + _LABEL_POINTS * per_point


def _band(ax: Axes, level: int) -> Transform:
    """x in events, y downwards from the top of the axes, one level after the other."""
    down = ScaledTranslation(0, -(level + 0.6) * LEVEL_POINTS / 72, ax.figure.dpi_scale_trans)
    return blended_transform_factory(ax.transData, ax.transAxes) + down


def _beside(mark: Mark, place: int) -> float:
    """How far right of its label a symbol stands that has no event of its own: clear of it, however long it is."""
    return _SEEN_POINTS * place + _POINTS_PER_CHARACTER / 2 * (len(mark.label) - 1)


def _join(ax: Axes, mark: Mark, band: Transform) -> None:
    """The arrow from cause to detection; a symbol right beside the label where there is none to draw."""
    last = mark.events[-1]
    if len(mark.fates) == 1 and last != mark.began:
        _line(ax, mark.began, last, band, "->")
        _symbol(ax, last, band, "X", INK)
        return
    if last != mark.began:
        _line(ax, mark.began, last, band, "-")
    symbols = [("X", INK)] * mark.seen + [("o", PAPER)] * mark.unseen
    for place, (marker, fill) in enumerate(symbols, start=1):
        shift = ScaledTranslation(_beside(mark, place) / 72, 0, ax.figure.dpi_scale_trans)
        _symbol(ax, mark.began, band + shift, marker, fill)


def _symbol(ax: Axes, event: float, where: Transform, marker: str, fill: str) -> None:
    """A cross for what was seen, a ring for what never was."""
    edge, width = (PAPER, 0.6) if marker == "X" else (INK, 1.2)
    ax.plot(
        [event],
        [1],
        marker=marker,
        markersize=7 if marker == "X" else 5.5,
        color=fill,
        markeredgecolor=edge,
        markeredgewidth=width,
        linestyle="none",
        transform=where,
        clip_on=False,
        zorder=6,
        label="_seen" if marker == "X" else "_never seen",
    )


def _line(ax: Axes, start: float, end: float, band: Transform, head: str) -> None:
    ax.annotate(
        "",
        (end, 1),
        xytext=(start, 1),
        xycoords=band,
        textcoords=band,
        annotation_clip=False,
        zorder=5,
        arrowprops={"arrowstyle": head, "color": INK, "linewidth": 1.1, "shrinkA": 5, "shrinkB": 4},
    )


def _handle(marker: str, label: str, fill: str = INK) -> Line2D:
    return Line2D([], [], color=INK, marker=marker, markerfacecolor=fill, linestyle="none", markersize=6, label=label)
