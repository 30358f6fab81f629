"""The figure of the sessions: what each was doing when, and what was done to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from reports.columns import Runs, edges_of, runs_of, worst
from reports.data import Run
from reports.lives import MARKS, STATES, Deed, Life
from reports.marks import LEVEL_POINTS, draw_marks, levels_of, mark_handles, marks_of
from reports.numbers import count
from reports.shapes import Box, boxes
from reports.style import INK, MUTED, PAPER, TERM_STYLES, TermStyle, event_axis, look

_WIDTH = 7.2
_WIDTH_POINTS = 420.0
_LINE_POINTS = 17.0
_EDGES_POINTS = 110.0
_MOST_LINES = 24
_COLUMNS = 240
_NAME_CHARACTERS = 18
_LETTER_POINTS = 7.0
_WORDS = {
    "retract": "retract",
    "abort": "abort",
    "close": "close",
    "reap": "reaped: timed out",
    "refuse": "refused",
}
_LOOKS = {
    "open": (TermStyle(MUTED, ""), 0.06),
    "turn": (TermStyle(MUTED, ""), 0.06),
    "held": (TERM_STYLES["session_held"], 0.34),
    "queued": (TermStyle(MUTED, ""), 0.34),
    "decode": (TermStyle(TERM_STYLES["uncached"].color, ""), 0.62),
    "prefill": (TERM_STYLES["uncached"], 0.62),
    "retracted": (TermStyle(PAPER, "xxxx"), 0.62),
}
"""Of each state its look and how high its bar is, in the colours of the accounts that it fills."""
_SAID = {"held": "held by the session", "open": "open, holds nothing", "retracted": "retracted, waits again"}


def chosen(run: Run, lives: Sequence[Life], end: float) -> list[Life]:
    """Those whom a verdict names, then sessions, then those that lasted longest, in the order in which they begin."""
    named = {
        name
        for verdict in run.outcome.verdicts
        for about in (verdict, verdict.cause)
        if about is not None
        for name in (about.session, about.request)
    }

    def rank(n: int) -> tuple[bool, bool, float, float, int]:
        life = lives[n]
        about = life.name in named or bool(named & life.requests)
        return not about, not life.session, -life.lasts(end), -life.busy(end), n

    return [lives[n] for n in sorted(sorted(range(len(lives)), key=rank)[:_MOST_LINES])]


@look()
def sessions_figure(run: Run, lives: Sequence[Life], deeds: Sequence[Deed]) -> Figure:
    """A line for each session, and for each request without one; the first of them on top."""
    last = [life.event[-1] for life in lives] + ([int(run.series.event[-1])] if len(run.series) else [])
    end = float(max(last)) + 1
    shown = chosen(run, lives, end)
    marks = marks_of(list(enumerate(run.outcome.verdicts, start=1)), events=end, width=_WIDTH_POINTS)
    band = LEVEL_POINTS * levels_of(marks) + 4
    inner = _LINE_POINTS * len(shown) + band
    figure = Figure(figsize=(_WIDTH, (inner + _EDGES_POINTS) / 72), layout="constrained")
    ax = figure.subplots()
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_yticks(range(len(shown)), [_short(life.name) for life in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6 - band / _LINE_POINTS)
    ax.set_xlim(1.0, end)
    left_out = len(lives) - len(shown)
    title = "sessions, and requests without one"
    if left_out:
        title += f"\nthose that verdicts name, and the longest sessions; {count(left_out)} more are left out"
    ax.set_title(title, loc="left", color=INK)
    present = _draw_lines(ax, shown, end)
    kinds_of_deeds = _draw_deeds(ax, shown, deeds, end)
    if len(run.series):
        event_axis([ax], [run.series], end)
    draw_marks(ax, marks)
    handles = [*_state_handles(present), *_deed_handles(kinds_of_deeds), *mark_handles(marks)]
    if any(life.closed is not None for life in shown):
        handles.append(Line2D([], [], color=INK, marker="|", linestyle="none", markersize=8, label="session is closed"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def stretches(life: Life, end: float) -> Runs:
    """Start, end and state (its rank) of each stretch of a line."""
    event, rank = np.array(life.event), np.array(life.rank)
    edges = edges_of(event, end, _COLUMNS)
    return [run for run in runs_of(worst(event, rank, edges), edges) if run[2]]


def _draw_lines(ax: Axes, shown: Sequence[Life], end: float) -> set[str]:
    """The bars, one path for each state; which states there are."""
    found: dict[str, list[Box]] = {}
    for at, life in enumerate(shown):
        for start, stop, rank in stretches(life, end):
            state = STATES[rank - 1]
            half = _LOOKS[state][1] / 2
            found.setdefault(state, []).append((start, at + half, stop, at - half))
        if life.closed is not None:
            ax.plot([life.closed], [at], "|", markersize=9, color=INK, label="_closed", zorder=4)
    for state, drawn in found.items():
        style = _LOOKS[state][0]
        patch = boxes(ax, drawn, face=style.color, hatch=style.hatch, alpha=style.alpha, zorder=2)
        patch.set_label(f"_{state}")
    return set(found)


def _draw_deeds(ax: Axes, shown: Sequence[Life], deeds: Sequence[Deed], end: float) -> set[str]:
    """A letter on the line of whom it befell; where letters of one kind would lie on each other, the first."""
    lines = {name: at for at, life in enumerate(shown) for name in (life.name, *life.requests)}
    width = (end - 1) * _LETTER_POINTS / _WIDTH_POINTS
    last: dict[tuple[int, str], float] = {}
    drawn: dict[str, list[tuple[int, int]]] = {}
    for deed in deeds:
        at = lines.get(deed.name)
        if at is None or deed.event - last.get((at, deed.kind), float("-inf")) < width:
            continue
        last[at, deed.kind] = deed.event
        drawn.setdefault(deed.kind, []).append((deed.event, at))
    for kind, places in drawn.items():
        events, lines_of = zip(*places, strict=True)
        for marker, size, color, edge in _letter(kind):
            ax.plot(
                events,
                lines_of,
                marker=marker,
                markersize=size,
                color=color,
                markeredgecolor=edge,
                markeredgewidth=0.7,
                linestyle="none",
                zorder=5,
                label=f"_{kind}",
                clip_on=False,
            )
    return set(drawn)


def _letter(kind: str) -> list[tuple[str | Path, float, str, str]]:
    """A letter on a disc, as two markers."""
    return [("o", 9.0, PAPER, INK), (_glyph(MARKS[kind]), 5.0, INK, "none")]


def _glyph(letter: str) -> Path:
    """A letter as a marker, its middle on the point."""
    drawn = TextPath((0, 0), letter, size=1)
    box = drawn.get_extents()
    return drawn.transformed(Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2))


def _state_handles(present: set[str]) -> list[Patch]:
    shown = {state: look for state, (look, _) in _LOOKS.items() if state in present and state != "turn"}
    return [
        Patch(
            facecolor=style.color,
            alpha=style.alpha,
            hatch=style.hatch,
            edgecolor=INK,
            linewidth=0,
            label=_SAID.get(state, state),
        )
        for state, style in shown.items()
    ]


def _deed_handles(kinds: set[str]) -> list[Line2D]:
    return [
        Line2D([], [], color=INK, marker=_glyph(MARKS[kind]), linestyle="none", markersize=6, label=_WORDS[kind])
        for kind in MARKS
        if kind in kinds
    ]


def _short(name: str) -> str:
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1]}…"
