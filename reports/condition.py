"""Which of the two is wrong, the books or the memory: a ribbon under the figure of all variants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from reports.columns import Runs, edges_of, runs_of, worst
from reports.series import Ints, Series
from reports.shapes import boxes
from reports.style import BOOKS, INK, ON_BRIGHT, PAPER, TRUTH

RIBBON_POINTS = 11.0
_COLUMNS = 400
_LABEL_SHARE = 0.12


@dataclass(frozen=True)
class Condition:
    """One state of affairs, and how its stretch of the ribbon is filled."""

    word: str
    label: str
    face: str
    ink: str
    hatch: str = ""


CONDITIONS = {
    1: Condition("false alarm", "false alarm: books off, memory fine", BOOKS, ON_BRIGHT),
    2: Condition("real", "real: memory wrong, and the books show it", TRUTH, ON_BRIGHT, "////"),
    3: Condition("real, miscounted", "real, and the books show another amount", TRUTH, ON_BRIGHT, "xxxx"),
    4: Condition("silent", "silent: memory wrong, books balance", INK, PAPER),
}
"""By rank: what is worse covers what is better where a column holds several events."""


def condition_of(series: Series) -> Ints:
    """The rank at each event; 0 where books and memory are right."""
    truth = (series.lost > 0) | (series.extra > 0)
    off = series.delta != 0
    equal = series.delta == series.extra - series.lost
    ranks = np.select([truth & ~off, truth & equal, truth, off], [4, 2, 3, 1], default=0)
    return ranks.astype(np.int64)


def stretches(series: Series, end: float) -> Runs:
    """The ribbon: start, end and rank of each stretch that is not sound."""
    if not len(series):
        return []
    edges = edges_of(series.event, end, _COLUMNS)
    return [run for run in runs_of(worst(series.event, condition_of(series), edges), edges) if run[2]]


def footroom(ax: Axes, height: float) -> None:
    """Lower the lower limit, so that the ribbon covers no data."""
    low, high = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticks() if low <= tick <= high]
    ax.set_yticks(ticks)
    ax.set_ylim(high - (high - low) / (1 - RIBBON_POINTS / height), high)


def draw_ribbon(ax: Axes, runs: Runs, height: float) -> None:
    """Draw it along the foot of `ax`, whose height is given in points; wide stretches say in a word what they are."""
    top = (RIBBON_POINTS - 2) / height
    left, right = ax.get_xlim()
    for rank, style in CONDITIONS.items():
        chosen = [(start, 0.0, stop, top) for start, stop, value in runs if value == rank]
        if chosen:
            patch = boxes(ax, chosen, face=style.face, hatch=style.hatch, transform=ax.get_xaxis_transform())
            patch.set_label(f"_{style.word}")
    for start, stop, value in runs:
        if stop - start >= _LABEL_SHARE * (right - left):
            style = CONDITIONS[value]
            ax.text(
                (start + stop) / 2,
                top / 2,
                style.word,
                transform=ax.get_xaxis_transform(),
                ha="center",
                va="center_baseline",
                fontsize=7,
                color=style.ink,
                bbox=None if not style.hatch else {"facecolor": style.face, "edgecolor": "none", "pad": 0.6},
                zorder=6,
            )


def condition_handles(runs: Runs) -> list[Patch]:
    """What a legend says of the stretches that were drawn."""
    return [
        Patch(facecolor=style.face, edgecolor=INK, hatch=style.hatch, linewidth=0, label=style.label)
        for rank, style in CONDITIONS.items()
        if any(value == rank for _, _, value in runs)
    ]
