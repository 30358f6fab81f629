"""The figures of a log: what the checks state over time, and the load that the batch lines state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.logs.book import Book, Point
from reports.logs.diagnosis import Finding
from reports.logs.messages import TERMS
from reports.logs.rank import Rank
from reports.logs.words import moment
from reports.marks import badge, guide
from reports.numbers import count, signed
from reports.series import Floats, Ints
from reports.style import BOOKS, INK, MUTED, PAPER, TERM_STYLES, dress, look, time_unit

_WIDTH = 6.6
_ROW = 1.35
_EDGES = 0.75
_CUT_ABOVE = 0.25
_MARKERS = 60


@dataclass(frozen=True)
class Clock:
    """The axis of time: counted from the first thing that the log says, in a unit that reads well."""

    start: float
    end: float

    @property
    def unit(self) -> tuple[str, float]:
        """Its name, and the seconds in it."""
        return time_unit(self.end - self.start)

    def at(self, time: float) -> float:
        """Where a moment stands."""
        return (time - self.start) / self.unit[1]

    def dress(self, rows: Sequence[Axes]) -> None:
        """The same axis under all rows; its words under the last one."""
        right = max(self.at(self.end), 1e-3)
        for ax in rows:
            ax.set_xlim(-0.01 * right, 1.03 * right)
            ax.xaxis.set_major_locator(MaxNLocator(nbins=7))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.tick_params(labelbottom=ax is rows[-1])
        since = moment(self.start)
        rows[-1].set_xlabel(f"{self.unit[0]} since {since}" if since else self.unit[0])


def clock_of(ranks: Sequence[Rank]) -> Clock:
    """From the first to the last that any of them says."""
    return Clock(min(rank.start or rank.now for rank in ranks), max(rank.now for rank in ranks))


@look()
def difference_figure(rows: Sequence[tuple[str, Rank, Book, Sequence[tuple[int, Finding]]]], clock: Clock) -> Figure:
    """Sum minus total at each check that is printed: a row for each pool of each rank."""
    figure = Figure(figsize=(_WIDTH, _ROW * len(rows) + _EDGES), layout="constrained")
    axes = list(figure.subplots(len(rows), 1, squeeze=False, sharex=True)[:, 0])
    for ax, (title, rank, book, numbered) in zip(axes, rows, strict=True):
        dress(ax)
        ax.set_title(title, loc="left", color=INK)
        points = book.series.points
        low, high = min(0, *(p.delta for p in points)), max(0, *(p.delta for p in points))
        room = 0.3 * (high - low)
        ax.set_ylim(*((low - room / 2, high + room) if room else (-1, 1)))
        ax.axhline(0, color=MUTED, linewidth=0.8, zorder=2)
        _draw_difference(ax, points, clock)
        _draw_marks(ax, rank, numbered, clock)
    figure.supylabel("sum − total", fontsize=8.5)
    clock.dress(axes)
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_difference(ax: Axes, points: Sequence[Point], clock: Clock) -> None:
    x = [clock.at(point.time) for point in points]
    y = [point.delta for point in points]
    marker = 3.5 if len(points) <= _MARKERS else 0.0
    ax.step(x, y, where="post", color=BOOKS, linewidth=1.5, marker="o", markersize=marker, zorder=3,
            label="sum − total at the checks that are printed")  # fmt: skip


def _draw_marks(ax: Axes, rank: Rank, numbered: Sequence[tuple[int, Finding]], clock: Clock) -> None:
    """Where it was first off, under its number in the table; where the scheduler raised."""
    for number, finding in numbered:
        at = clock.at(finding.time)
        guide(ax, at)
        badge(ax, str(number), at, 0.9, ax.get_xaxis_transform())
    if rank.crash is not None:
        ax.plot(
            [clock.at(rank.crash.time)], [0.65], marker="X", markersize=7, color=INK, markeredgecolor=PAPER,
            markeredgewidth=0.6, linestyle="none", transform=ax.get_xaxis_transform(), clip_on=False, zorder=6,
            label="the scheduler raised",
        )  # fmt: skip


@look()
def terms_figure(book: Book, clock: Clock) -> Figure:
    """The terms that the checks state, stacked against the pool's size."""
    points = [point for point in book.series.points if point.terms[0] is not None]
    figure = Figure(figsize=(_WIDTH, 2.9), layout="constrained")
    ax = figure.subplots()
    dress(ax)
    columns = np.array([[term or 0 for term in point.terms] for point in points], dtype=np.int64)
    x = np.array([clock.at(point.time) for point in points])
    # What the last check states is seen as well.
    x, columns = np.append(x, x[-1] + 0.03 * max(clock.at(clock.end), 1e-3)), np.vstack([columns, columns[-1:]])
    total = points[-1].total
    floor = _floor(columns, total)
    _stack(ax, x, columns, floor)
    ax.step(x, columns.sum(axis=1), where="post", color=INK, linewidth=1.3, label="sum")
    ax.axhline(total, color=INK, linewidth=1.3, linestyle=(0, (5, 3)), label=f"total ({count(total)})")
    top = max(total, int(columns.sum(axis=1).max()))
    ax.set_ylim(floor, top + 0.06 * (top - floor))
    ax.set_ylabel(f"slots (axis starts at {count(floor)})" if floor > 0 else "slots")
    clock.dress([ax])
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def _stack(ax: Axes, x: Floats, columns: Ints, floor: float) -> None:
    base = np.zeros(len(x))
    for number, name in enumerate(TERMS):
        style, top = TERM_STYLES[name], base + columns[:, number]
        ax.fill_between(
            x, np.maximum(base, floor), np.maximum(top, floor), step="post", facecolor=style.color, alpha=style.alpha,
            hatch=style.hatch, edgecolor=INK if style.hatch else style.color, linewidth=0, label=name,
        )  # fmt: skip
        base = top


def _floor(columns: Ints, total: int) -> float:
    """Where the axis starts: just under the least of `available` when that would dwarf all other terms."""
    if (columns < 0).any():
        return float(min(0, int(columns.min())))
    least = int(columns[:, 0].min())
    floor = least - max(1.0, 0.15 * (total - least))
    return float(int(floor)) if floor > _CUT_ABOVE * total else 0.0


@look()
def load_figure(rank: Rank, clock: Clock) -> Figure:
    """Tokens in use, and requests that run and wait, as the batch lines state them."""
    loads = rank.load.points
    figure = Figure(figsize=(_WIDTH, 2.9), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1.6, 1]})
    x = [clock.at(load.time) for load in loads]
    for ax in (upper, lower):
        dress(ax)
    styles = {"full": TERM_STYLES["session_held"], "swa": TERM_STYLES["uncached"], "mamba": TERM_STYLES["protected"]}
    for pool, style in styles.items():
        if any(pool in load.used for load in loads):
            most = [load.used.get(pool, np.nan) for load in loads]
            least = [load.least.get(pool, np.nan) for load in loads]
            upper.fill_between(x, least, most, step="post", color=style.color, alpha=0.35, linewidth=0)
            upper.step(x, most, where="post", color=style.color, linewidth=1.2, label=f"{pool}: in use, least to most")
            upper.step(x, least, where="post", color=style.color, linewidth=0.8)
    if rank.total is not None:
        upper.axhline(rank.total, color=INK, linewidth=1.1, linestyle=(0, (5, 3)), label=f"total ({count(rank.total)})")
    upper.set_ylim(0, 1.06 * upper.get_ylim()[1])
    upper.set_ylabel("slots")
    running, waiting = TERM_STYLES["protected"].color, BOOKS
    lower.step(x, [load.running for load in loads], where="post", color=running, linewidth=1.3, label="running")
    lower.step(x, [load.waiting for load in loads], where="post", color=waiting, linewidth=1.1, label="waiting")
    lower.set_ylim(bottom=0)
    lower.set_ylabel("requests")
    clock.dress([upper, lower])
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def title_of(rank: Rank, book: Book, numbered: Sequence[tuple[int, Finding]]) -> str:
    """Whose books they are, and what was found of them."""
    name = f"{rank.name}, " if rank.name else ""
    said = ", ".join(f"{finding.verdict} {signed(finding.size)}" for _, finding in numbered)
    return f"{name}pool {book.pool}: {said or 'balances'}"
