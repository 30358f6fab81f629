"""One look for every figure: colours that the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.numbers import count
from reports.series import Series

# Three colours that nothing else uses: the page replaces them so that a figure follows light and dark.
INK = "#1a1a1b"
PAPER = "#fefeff"
MUTED = "#767677"

ON_BRIGHT = "#000000"
"""Text on one of the bright colours, which are the same in light and dark."""

BOOKS = "#d55e00"
TRUTH = "#bf78d0"


@dataclass(frozen=True)
class TermStyle:
    """How one term is filled, everywhere; the hatch carries it without colour, in a colour of its own or in ink."""

    color: str
    hatch: str
    alpha: float = 1.0
    line: str | None = None


TERM_STYLES = {
    "available": TermStyle("#279ecf", "", 0.45),
    "evictable": TermStyle("#756a00", "||||"),
    "protected": TermStyle("#009e73", ""),
    "session_held": TermStyle("#0072b2", "////"),
    "uncached": TermStyle("#d07c00", "\\\\\\\\"),
}
"""The same in light and dark: each stands out from white and from black, and from the others whatever the eye."""

OWNER_STYLES = {
    "free": TERM_STYLES["available"],
    "evictable": TERM_STYLES["evictable"],
    "protected": TERM_STYLES["protected"],
    "held by a session": TERM_STYLES["session_held"],
    "in use": TERM_STYLES["uncached"],
    "nobody's": TermStyle(TRUTH, "xxxx"),
    "doubly owned": TermStyle(INK, "+++"),
}
"""By class of owner, in the order of the codes of slots.npz; each account's colour is that of its slots."""

_RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kvledger",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "hatch.linewidth": 0.5,
    "axes.unicode_minus": True,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.constrained_layout.w_pad": 0.09,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}


def reserved(style: TermStyle) -> TermStyle:
    """Of an account what is allocated and not yet written: its colour as lines on paper."""
    return TermStyle(PAPER, "||||", line=style.color)


@contextmanager
def look() -> Iterator[None]:
    """The settings under which every figure is made and saved; also a decorator."""
    with rc_context(_RC):
        yield


def unit_of(series: Series) -> str:
    """What a pool is counted in, for an axis."""
    return {"swa": "SWA tokens", "mamba": "states"}.get(series.pool, "tokens")


def time_unit(longest: float) -> tuple[str, float]:
    """The unit in which a run of this length reads well, and the seconds in it."""
    for name, seconds, least in (("h", 3600.0, 7200.0), ("min", 60.0, 300.0), ("s", 1.0, 1.0)):
        if longest >= least:
            return name, seconds
    return "ms", 1e-3


def dress(ax: Axes) -> None:
    """No box, whole numbers, a quiet grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def event_axis(rows: Sequence[Axes], clocks: Sequence[Series], end: float) -> None:
    """Event numbers below the last row and, where all these clocks agree, under each its simulated time."""
    longest = max(clocks, key=len)
    start = float(longest.event[0])
    ticks = np.asarray(MaxNLocator(nbins=6, integer=True).tick_values(start, end))
    ticks = ticks[(ticks >= start) & (ticks <= max(clock.event[-1] for clock in clocks))]
    times = _times(ticks, clocks)
    labels = [count(n) for n in ticks]
    if times is not None:
        labels = [f"{number}\n{time}" for number, time in zip(labels, times, strict=True)]
    for ax in rows:
        ax.set_xlim(start, end)
        ax.set_xticks(ticks, labels)
    rows[-1].set_xlabel("event number" if times is None else "event number, simulated time")


def _times(ticks: npt.NDArray[Any], clocks: Sequence[Series]) -> list[str] | None:
    """The time at each tick, or nothing where two runs were at one event at different times."""
    unit, seconds = time_unit(max(float(clock.time[-1]) for clock in clocks))
    told: dict[float, str] = {}
    for clock in clocks:
        reached = ticks[ticks <= clock.event[-1]]
        for tick, time in zip(reached.tolist(), (clock.times_of(reached) / seconds).tolist(), strict=True):
            text = f"{time:.3g}" if time < 999.5 else count(time)
            if told.setdefault(tick, text) != text:
                return None
    return [f"{told[tick]} {unit}" for tick in ticks.tolist()]


def steps(series: Series, column: npt.NDArray[Any], last: float) -> tuple[Any, Any]:
    """x and y of a step line: a state lasts until the next event, the final one until `last`."""
    return np.append(series.event, last), np.append(column, column[-1])
