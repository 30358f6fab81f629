"""The figure that tells false alarm, leak and silent fault apart: what the books say against what is true."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.columns import Runs
from reports.condition import condition_handles, draw_ribbon, footroom, stretches
from reports.data import Run
from reports.marks import (
    LEVEL_POINTS,
    Mark,
    draw_marks,
    events_of,
    headroom,
    levels_of,
    mark_handles,
    marks_of,
)
from reports.series import Series, thin
from reports.style import BOOKS, INK, MUTED, TRUTH, dress, event_axis, look, steps, unit_of
from reports.words import pool_verdict

_WIDTH = 6.6
_WIDTH_POINTS = 430.0
_ROW_POINTS = 58.0
_CALM_POINTS = 34.0
_TITLE_POINTS = 24.0
_EDGES_POINTS = 84.0
_SAME_SCALE = 8


@look()
def difference_figure(runs: Sequence[Run]) -> Figure:
    """One frame with a row per variant; in a sound release line and area both stay at zero."""
    end = float(max((run.series.event[-1] for run in runs if len(run.series)), default=1)) + 1
    marks = [marks_of(run.numbered, events=end, width=_WIDTH_POINTS) for run in runs]
    ribbons = [stretches(run.series, _end(run.series)) for run in runs]
    heights = [
        (_ROW_POINTS if ribbon or row else _CALM_POINTS) + LEVEL_POINTS * levels_of(row)
        for row, ribbon in zip(marks, ribbons, strict=True)
    ]
    height = sum(heights) + _TITLE_POINTS * len(runs) + _EDGES_POINTS
    figure = Figure(figsize=(_WIDTH, height / 72), layout="constrained")
    grid = figure.subplots(len(runs), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    rows: list[Axes] = list(grid[:, 0])
    limits = _limits([run.series for run in runs])
    for index, (ax, run, row) in enumerate(zip(rows, runs, marks, strict=True)):
        dress(ax)
        ax.set_title(f"{run.variant}: {pool_verdict(run)}", loc="left", color=INK)
        ax.set_ylim(*limits[index])
        if ribbons[index]:
            footroom(ax, heights[index] - LEVEL_POINTS * levels_of(row))
        headroom(ax, levels_of(row), heights[index])
        ax.set_xlim(1.0, end)
        if len(run.series):
            draw_difference(ax, thin(run.series, keep=events_of(run.numbered)), _end(run.series))
        draw_ribbon(ax, ribbons[index], heights[index])
        draw_marks(ax, row)
        ax.tick_params(labelbottom=ax is rows[-1])
    _finish(figure, rows, runs, [mark for row in marks for mark in row], [run for row in ribbons for run in row])
    return figure


def _end(series: Series) -> float:
    return float(series.event[-1]) + 1 if len(series) else 1.0


def _finish(
    figure: Figure, rows: Sequence[Axes], runs: Sequence[Run], marks: Sequence[Mark], ribbons: Runs
) -> None:
    """The common axis and legend."""
    clocks = [run.series for run in runs if len(run.series)]
    if clocks:
        event_axis(rows, clocks, max(_end(clock) for clock in clocks))
    figure.supylabel(unit_of(runs[0].series), fontsize=8.5)
    named = [pair for ax in rows for pair in zip(*ax.get_legend_handles_labels(), strict=True)]
    handles = {label: handle for handle, label in named}
    shown = [*handles.values(), *condition_handles(ribbons), *mark_handles(marks)]
    if shown:
        figure.legend(handles=shown, loc="outside lower center", ncols=2, frameon=False)


def draw_difference(ax: Axes, series: Series, end: float) -> None:
    """The books' difference as a line, the true one as a hatched area, on the same scale."""
    ax.axhline(0, color=MUTED, linewidth=0.8, zorder=2)
    for column in (series.extra, -series.lost):
        x, y = steps(series, column, end)
        ax.fill_between(
            x,
            y,
            step="post",
            facecolor=TRUTH,
            edgecolor=INK,
            hatch="////",
            linewidth=0,
            zorder=1,
            label="truly lost (−) or double (+)" if column is series.extra else "_lost",
        )
    x, y = steps(series, series.delta, end)
    ax.step(x, y, where="post", color=BOOKS, linewidth=1.8, zorder=3, label="books: sum − total")


def span(series: Sequence[Series]) -> tuple[float, float]:
    """The least and the greatest difference, of books or truth, zero included; never an empty span."""
    filled = [s for s in series if len(s)]
    low = min((int(min(s.delta.min(), -s.lost.max(), 0)) for s in filled), default=0)
    high = max((int(max(s.delta.max(), s.extra.max(), 0)) for s in filled), default=0)
    if low == high:
        low, high = -1, 1
    room = 0.12 * (high - low)
    return low - room, high + room


def _limits(rows: Sequence[Series]) -> list[tuple[float, float]]:
    """One scale for all rows, unless a small fault would vanish beside a large one."""
    off = [row for row in rows if row.delta.any() or row.lost.any() or row.extra.any()]
    sizes = [np.ptp(span([row])) for row in off]
    if sizes and max(sizes) > _SAME_SCALE * min(sizes):
        return [span([row]) for row in rows]
    return [span(rows)] * len(rows)
