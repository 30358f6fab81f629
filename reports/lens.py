"""One row under the lens: what its cursors and its slots did around the event that caused a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation, Transform

from reports.data import Run, Verdict
from reports.marks import Mark, mark_handles, marks_of
from reports.moments import Moment, Row, Step
from reports.numbers import count
from reports.rows import MOST_NAMED, frames_of, named, names_in, parts_of, row_of, slots_named, trimmed
from reports.shapes import Box, boxes
from reports.style import INK, MUTED, PAPER, TERM_STYLES, TermStyle, look, reserved
from reports.words import size_of

_WIDTH = 7.2
_STEP_POINTS = 13.0
_EDGES_POINTS = 118.0
_WHOLE = 160
_BEFORE = 32
_LABEL_CHARACTERS = 30
_SIGN_POINTS = 9.0
_CURSOR_POINTS = 32.0
_HALF = 0.36
_PARTS = {
    "protected": TERM_STYLES["protected"],
    "in use": TERM_STYLES["uncached"],
    "held": TERM_STYLES["session_held"],
    "in use, reserved": reserved(TERM_STYLES["uncached"]),
    "held, reserved": reserved(TERM_STYLES["session_held"]),
}
_FRAMES: dict[str, tuple[Literal["-", ":"], str]] = {
    "named": ("-", "names a slot of the cause"),
    "lost": (":", "named it just before"),
}
_SAID = {
    "protected": "[0, p) owned by the tree",
    "in use": "[p, c) of the running turn",
    "held": "[p, c) held by the session",
    "in use, reserved": "[c, a) reserved, not written",
    "held, reserved": "[c, a) held, not written",
}


@look()
def lens_figure(run: Run, moment: Moment, events: Mapping[int, Mapping[str, Any]]) -> Figure:
    """A bar for each event, positions of the row from left to right; `events` are those of events.jsonl."""
    verdicts = [(n + 1, run.outcome.verdicts[n]) for n in moment.verdicts if n < len(run.outcome.verdicts)]
    who = named(moment, [verdict for _, verdict in verdicts])
    steps = trimmed(moment, who)
    figure = Figure(figsize=(_WIDTH, (_STEP_POINTS * len(steps) + _EDGES_POINTS) / 72), layout="constrained")
    ax = figure.subplots()
    rows = [row_of(step, who) for step in steps]
    faulty = {slot for _, v in verdicts if v.cause and v.pool == "full" for slot in v.cause.slots}
    left, right = _span(rows, faulty)
    ax.set_xlim(left, right)
    ax.set_ylim(len(steps) - 0.4, -0.6)
    _dress(ax, _title(moment, who, rows, verdicts), slots_named(rows, steps, faulty, moment.event))
    present = _draw_bars(ax, rows)
    framed = _draw_frames(ax, rows, steps, faulty, moment.event)
    evicted = _draw_cursor(ax, rows)
    _label(ax, steps, rows, events)
    marks = marks_of(verdicts, events=1, width=1)
    _draw_fate(ax, steps, moment.event, marks)
    figure.legend(
        handles=[*_handles(present, framed, evicted), *mark_handles(marks)],
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )
    return figure


def _handles(present: set[str], framed: set[str], evicted: bool) -> list[Patch | Line2D]:
    handles: list[Patch | Line2D] = [
        Patch(facecolor=s.color, hatch=s.hatch, edgecolor=s.line or INK, linewidth=_edge(s), label=_SAID[part])
        for part, s in _PARTS.items()
        if part in present
    ]
    for kind, (line, words) in _FRAMES.items():
        if kind in framed:
            handles.append(Patch(facecolor="none", edgecolor=INK, linewidth=1.4, linestyle=line, label=words))
    if evicted:
        words = "e: window given back up to here"
        handles.append(Line2D([], [], color=INK, marker="d", linestyle="none", markersize=5, label=words))
    return handles


def _span(rows: Sequence[Row | None], faulty: set[int]) -> tuple[float, float]:
    """All positions of a short row; of a long one those around the fault, or around its end."""
    there = [row for row in rows if row is not None]
    last = max((max(row.p, row.c, row.a) for row in there), default=1)
    if last <= _WHOLE:
        return 0.0, float(max(last, 1))
    told = [at for row in there for at, slot in enumerate(row.slots) if slot in faulty]
    told = told or [min(row.c for row in there)]
    return float(max(0, min(told) - _BEFORE)), float(last)


def _dress(ax: Axes, title: str, below: str) -> None:
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.set_title(f"{title}\n{below}" if below else title, loc="left", color=INK)
    start = ax.get_xlim()[0]
    ax.set_xlabel("position in the row" + (f" (axis starts at {count(start)})" if start else ""))


def _title(
    moment: Moment, who: str, rows: Sequence[Row | None], verdicts: Sequence[tuple[int, Verdict]]
) -> str:
    numbers = sorted({row.row for row in rows if row is not None and row.row is not None})
    about = "; ".join(f"{number}: {v.verdict} {size_of(v)}" for number, v in verdicts[:MOST_NAMED])
    more = len(names_in(moment)) - 1
    others = f" ({count(more)} more row{'s' if more > 1 else ''} named, not shown)" if more > 0 else ""
    return f"row {', '.join(map(str, numbers))} of {who}, around the cause of {about}{others}"


def _draw_bars(ax: Axes, rows: Sequence[Row | None]) -> set[str]:
    found: dict[str, list[Box]] = {}
    for at, row in enumerate(rows):
        for part, first, last in parts_of(row) if row is not None else ():
            found.setdefault(part, []).append((first, at + _HALF, last, at - _HALF))
    for part, drawn in found.items():
        style = _PARTS[part]
        patch = boxes(ax, drawn, face=style.color, hatch=style.hatch, edge=style.line, width=_edge(style), zorder=2)
        patch.set_label(f"_{part}")
    return set(found)


def _edge(style: TermStyle) -> float:
    """What is only lines has an edge, too."""
    return 0.8 if style.line else 0.0


def _draw_frames(
    ax: Axes, rows: Sequence[Row | None], steps: Sequence[Step], faulty: set[int], cause: int
) -> set[str]:
    found = frames_of(rows, steps, faulty, cause)
    for kind, (style, _) in _FRAMES.items():
        drawn = [(float(a), at + _HALF + 0.08, float(b), at - _HALF - 0.08) for k, at, a, b in found if k == kind]
        if drawn:
            patch = boxes(ax, drawn, face="none", edge=INK, width=1.4, zorder=5, linestyle=style, clip_on=False)
            patch.set_label(f"_{kind}")
    return {kind for kind, *_ in found}


def _draw_cursor(ax: Axes, rows: Sequence[Row | None]) -> bool:
    """Up to where the windowed layers' slots were given back."""
    places = [(row.e, at) for at, row in enumerate(rows) if row is not None and row.e]
    if places:
        x, y = zip(*places, strict=True)
        ax.plot(x, y, "d", markersize=5, color=INK, markeredgecolor=PAPER, zorder=6, label="_e")
    return bool(places)


def _label(
    ax: Axes, steps: Sequence[Step], rows: Sequence[Row | None], events: Mapping[int, Mapping[str, Any]]
) -> None:
    """What happened at the left of each bar, its cursors at the right, a broken line where events are left out."""
    ax.set_yticks(range(len(steps)), [_said(step.event, events.get(step.event, {})) for step in steps])
    windowed = any(row is not None and row.e for row in rows)
    for at, row in enumerate(rows):
        if row is not None:
            text = f"p {row.p}  c {row.c}  a {row.a}" + (f"  e {row.e}" if windowed else "")
            ax.text(1, at, text, transform=_beside(ax, _CURSOR_POINTS), va="center", fontsize=7.5)
    for at, (one, two) in enumerate(pairwise(steps)):
        if two.event > one.event + 1:
            ax.axhline(at + 0.5, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))


def _draw_fate(ax: Axes, steps: Sequence[Step], cause: int, marks: Sequence[Mark]) -> None:
    """Cause and detection beside their bars."""
    seen = {event for mark in marks for _, event in mark.fates}
    for at, step in enumerate(steps):
        signs = [("X", INK, "_seen")] if step.event in seen else []
        if step.event == cause:
            ax.get_yticklabels()[at].set_fontweight("bold")
            ax.axhspan(at - 0.5, at + 0.5, color=MUTED, alpha=0.15, zorder=0, linewidth=0)
            signs.insert(0, ("s", INK, "_cause"))
            signs += [("o", PAPER, "_never seen")] if any(mark.unseen for mark in marks) else []
        for place, (marker, fill, name) in enumerate(signs):
            ax.plot(
                [1],
                [at],
                marker=marker,
                markersize=5.5,
                color=fill,
                markeredgecolor=INK,
                transform=_beside(ax, _SIGN_POINTS * (place + 0.7)),
                clip_on=False,
                linestyle="none",
                label=name,
            )


def _beside(ax: Axes, points: float) -> Transform:
    """So far right of the axes, at a bar."""
    return ax.get_yaxis_transform() + ScaledTranslation(points / 72, 0, ax.figure.dpi_scale_trans)


def _said(number: int, event: Mapping[str, Any]) -> str:
    """An event in a few words: its number, its kind and whom it is about."""
    words = [count(number), str(event.get("kind", ""))]
    who = [str(event[name]) for name in ("request", "session") if event.get(name)][:1]
    words += who
    for name in ("finished", "aborted", "retracted", "refused"):
        if isinstance(event.get(name), list) and event[name] and event[name] != who:
            words[-1] += ","
            words.append(f"{name} {event[name][0]}")
            break
    text = " ".join(word for word in words if word)
    return text if len(text) <= _LABEL_CHARACTERS else f"{text[: _LABEL_CHARACTERS - 1]}…"
