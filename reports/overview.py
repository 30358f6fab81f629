"""The figure that a report of many scenarios opens with: the verdicts, by scenario and variant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.numbers import count
from reports.shapes import Box, boxes
from reports.style import INK, PAPER, look
from reports.sweep import CLEAN, KINDS, SweepRow, badness, kind_of, verdicts_by_run

_WIDTH = 7.2
_LINE_POINTS = 17.0
_EDGES_POINTS = 120.0
_MOST_COLUMNS = 6
_MOST_LINES = 60
_MOST_LETTERS = 3
_NAME_CHARACTERS = 34
_COLUMN_CHARACTERS = 16
_GAP = 0.06
_OTHERS = "others"


@look()
def overview_figure(rows: Sequence[SweepRow]) -> Figure:
    """A cell for each scenario and policy, shared among its runs by their worst verdict; framed: not as expected."""
    columns = columns_of(rows)
    lines = list(dict.fromkeys(row.scenario for row in rows))
    shown = _chosen(lines, rows)
    figure = Figure(figsize=(_WIDTH, (_LINE_POINTS * len(shown) + _EDGES_POINTS) / 72), layout="constrained")
    ax = figure.subplots()
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.set_yticks(range(len(shown)), [_short(name, _NAME_CHARACTERS) for name in shown])
    names = [_short(name, _COLUMN_CHARACTERS) for name in columns]
    ax.set_xticks([n + 0.5 for n in range(len(columns))], names, rotation=30, ha="left", rotation_mode="anchor")
    ax.set_xlim(0, len(columns))
    ax.set_ylim(len(shown) - 0.5, -0.5)
    if len(shown) < len(lines):
        left_out = f"{count(len(lines) - len(shown))} more scenarios are left out"
        ax.set_xlabel(f"{left_out}: those shown did not go as expected, or come first")
    cells = cells_of(rows, columns)
    found: dict[str, list[Box]] = {}
    frames: list[Box] = []
    for (scenario, column), cell in cells.items():
        if scenario in shown:
            _place(ax, shown.index(scenario), columns.index(column), cell, found, frames)
    for name, drawn in found.items():
        style = kind_of(name).style
        patch = boxes(ax, drawn, face=style.color, hatch=style.hatch, alpha=style.alpha, zorder=2)
        patch.set_label(f"_{name}")
    if frames:
        boxes(ax, frames, face="none", edge=INK, width=1.8, zorder=5).set_label("_not as expected")
    _legend(figure, {row.verdict for row in rows}, bool(frames))
    return figure


def columns_of(rows: Sequence[SweepRow]) -> list[str]:
    """The policies that most scenarios have, in order of appearance; the others together in the last column."""
    pairs = dict.fromkeys((row.scenario, row.policy) for row in rows)
    names = Counter(policy for _, policy in pairs)
    if len(names) <= _MOST_COLUMNS + 1:
        return list(names)
    common = {name for name, times in names.most_common(_MOST_COLUMNS) if times > 1}
    return [*(name for name in names if name in common), _OTHERS]


def cells_of(rows: Sequence[SweepRow], columns: Sequence[str]) -> dict[tuple[str, str], list[list[SweepRow]]]:
    """Of each scenario and column the runs, the worst first, each with all its rows."""
    cells: dict[tuple[str, str], list[list[SweepRow]]] = {}
    for key, of_run in verdicts_by_run(rows).items():
        column = key.policy if key.policy in columns else _OTHERS
        cells.setdefault((key.scenario, column), []).append(of_run)
    return {place: sorted(runs, key=lambda run: -badness(worst_of(run))) for place, runs in cells.items()}


def worst_of(run: Sequence[SweepRow]) -> str:
    """The worst verdict of a run."""
    return max((row.verdict for row in run), key=badness)


def words_of(cell: Sequence[Sequence[SweepRow]]) -> str:
    """What a cell says: every kind of verdict, the worst first, and of how many runs, if there are several."""
    kinds = sorted({row.verdict for run in cell for row in run} - {CLEAN}, key=badness, reverse=True)
    if not kinds:
        return KINDS[CLEAN].letters if len(cell) == 1 else f"{KINDS[CLEAN].letters} {count(len(cell))}"
    letters = " ".join(kind_of(kind).letters for kind in kinds[:_MOST_LETTERS])
    letters += " …" if len(kinds) > _MOST_LETTERS else ""
    bad = sum(worst_of(run) != CLEAN for run in cell)
    return letters if len(cell) == 1 else f"{letters} {count(bad)}/{count(len(cell))}"


def _place(
    ax: Axes, line: int, column: int, cell: Sequence[Sequence[SweepRow]], found: dict[str, list[Box]], frames: list[Box]
) -> None:
    """One cell: shares by the worst verdict of each run, its words, its frame."""
    left, width = column + _GAP / 2, 1 - _GAP
    low, high = line + 0.42, line - 0.42
    shares = Counter(worst_of(run) for run in cell)
    start = left
    for name, runs in shares.items():
        stop = start + width * runs / len(cell)
        found.setdefault(name, []).append((start, low, stop, high))
        start = stop
    if not all(row.ok for run in cell for row in run):
        frames.append((left, low, left + width, high))
    first = kind_of(next(iter(shares)))
    plain = len(shares) == 1 and not first.style.hatch
    ax.text(
        column + 0.5,
        line,
        words_of(cell),
        ha="center",
        va="center_baseline",
        fontsize=7.5,
        color=first.ink if plain else INK,
        zorder=6,
        bbox=None if plain else {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0},
    )


def _chosen(lines: Sequence[str], rows: Sequence[SweepRow]) -> list[str]:
    """All scenarios, or those that went otherwise than expected and the first of the others."""
    unmet = {row.scenario for row in rows if not row.ok}
    kept = set(sorted(lines, key=lambda name: name not in unmet)[:_MOST_LINES])
    return [name for name in lines if name in kept]


def _legend(figure: Figure, verdicts: set[str], framed: bool) -> None:
    handles = []
    for name in sorted(verdicts, key=badness):
        kind = kind_of(name)
        s = kind.style
        label = f"{kind.letters}  {name}"
        handles.append(
            Patch(facecolor=s.color, alpha=s.alpha, hatch=s.hatch, edgecolor=INK, linewidth=0, label=label)
        )
    if framed:
        handles.append(Patch(facecolor="none", edgecolor=INK, linewidth=1.8, label="not as expected"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
