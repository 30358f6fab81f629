"""The figure of one run: the five terms stacked against the pool's size, and the difference below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.columns import edges_of, least, mean
from reports.data import Run
from reports.difference import draw_difference, span
from reports.marks import Mark, draw_marks, events_of, headroom, levels_of, mark_handles, marks_of
from reports.numbers import count
from reports.series import TERMS, Series, thin
from reports.style import INK, TERM_STYLES, dress, event_axis, look, steps, unit_of

EXACT = 640
"""So many points are drawn one by one."""
_SIZE = (5.6, 4.7)
_WIDTH_POINTS = 350.0
_STACK_POINTS = 165.0
_CUT_ABOVE = 0.25
_COLUMNS = 160
_LEAST = "available, least in a column"


@look()
def terms_figure(run: Run, *, beside: Sequence[Run] = ()) -> Figure:
    """Draw one run; figures that stand `beside` each other get the same vertical scales."""
    figure = Figure(figsize=_SIZE, layout="constrained")
    stack, strip = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3.4, 1]})
    dress(stack)
    dress(strip)
    stack.set_ylabel(unit_of(run.series))
    strip.set_ylabel("sum − total")
    if not len(run.series):
        stack.text(0.5, 0.5, "no event was recorded", ha="center", transform=stack.transAxes)
        return figure
    series = thin(run.series, keep=events_of(run.numbered))
    end = float(series.event[-1]) + 1
    marks = _marks(run)
    all_marks = [_marks(other) for other in beside if len(other.series)] or [marks]
    scale = [other.series for other in beside if len(other.series)] or [run.series]
    floor = _floor(scale)
    _draw_stack(stack, run.series, end, floor)
    _draw_sum(stack, series, end)
    _limit(stack, scale, floor, max(levels_of(row) for row in all_marks))
    draw_difference(strip, series, end)
    strip.set_ylim(*span(scale))
    event_axis([stack, strip], [run.series], end)
    draw_marks(stack, marks, guides=(stack, strip))
    handles = [*stack.get_legend_handles_labels()[0], *strip.get_legend_handles_labels()[0]]
    handles += mark_handles([mark for row in all_marks for mark in row])
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _marks(run: Run) -> tuple[Mark, ...]:
    end = float(run.series.event[-1]) + 1
    return marks_of(run.numbered, events=end, width=_WIDTH_POINTS)


def _draw_stack(ax: Axes, series: Series, end: float, floor: float) -> None:
    """Positive terms upwards from zero, negative ones downwards; of a long run the means of its columns."""
    edges = edges_of(series.event, end, len(series) if len(series) <= EXACT else _COLUMNS)
    up = np.zeros(len(edges) - 1)
    down = np.zeros(len(edges) - 1)
    for number, name in enumerate(TERMS):
        values = mean(series.event, series.terms[:, number], edges)
        base = np.where(values >= 0, up, down)
        top = base + values
        style = TERM_STYLES[name]
        ax.fill_between(
            edges,
            np.maximum(np.append(base, base[-1]), floor),
            np.maximum(np.append(top, top[-1]), floor),
            step="post",
            facecolor=style.color,
            alpha=style.alpha,
            hatch=style.hatch,
            edgecolor=INK if style.hatch else style.color,
            linewidth=0,
            label=name,
        )
        up = np.where(values >= 0, top, up)
        down = np.where(values >= 0, down, top)
    if len(edges) <= len(series):
        low = least(series.event, series.terms[:, 0], edges)
        ax.step(edges, np.append(low, low[-1]), where="post", color=INK, linewidth=0.8, label=_LEAST)


def _draw_sum(ax: Axes, series: Series, end: float) -> None:
    """The claimed sum and the total as lines."""
    x, total = steps(series, series.sum, end)
    ax.step(x, total, where="post", color=INK, linewidth=1.3, zorder=3, label="sum")
    label = f"total ({count(series.total)})"
    ax.axhline(series.total, color=INK, linewidth=1.3, linestyle=(0, (5, 3)), zorder=3, label=label)


def _floor(runs: Sequence[Series]) -> float:
    """Where the axis starts: just under the least of `available` when that would dwarf all other terms."""
    if any((s.terms < 0).any() for s in runs):
        return float(min(0, *(np.minimum(s.terms, 0).sum(axis=1).min() for s in runs)))
    top = max(max(s.total, int(s.sum.max())) for s in runs)
    least = min(int(s.terms[:, 0].min()) for s in runs)
    floor = least - max(1.0, 0.15 * (top - least))
    return float(int(floor)) if floor > _CUT_ABOVE * top else 0.0


def _limit(ax: Axes, runs: Sequence[Series], floor: float, levels: int) -> None:
    top = max(max(s.total, int(s.sum.max())) for s in runs)
    ax.set_ylim(floor, top + 0.04 * (top - floor))
    headroom(ax, levels, _STACK_POINTS)
    if floor > 0:
        ax.set_ylabel(f"{unit_of(runs[0])} (axis starts at {count(floor)})")
