"""Figures of a sweep: how much is lost as a parameter grows, and after how many iterations a fault is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import mean, median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from reports.errors import ReportError
from reports.numbers import count
from reports.style import BOOKS, INK, MUTED, TRUTH, dress, look
from reports.sweep import CLEAN, MEMORY, SweepRow, verdicts_by_run

_WIDTH = 7.2
_LOSS_POINTS = 260.0
_LINE_POINTS = 26.0
_EDGES_POINTS = 70.0
_APART = 0.008
_DOT = 10.0
_NAME_CHARACTERS = 30
_LOOKS = tuple(
    zip(
        ("#0072b2", BOOKS, "#009e73", TRUTH, "#756a00"),
        ("o", "s", "^", "D", "v"),
        ("-", "--", "-.", ":", "-"),
        strict=True,
    )
)


def losses(rows: Sequence[SweepRow], parameter: str) -> dict[str, dict[float | str, list[int]]]:
    """Of each policy and value of a parameter: the slots lost or double in each run."""
    found: dict[str, dict[float | str, list[int]]] = {}
    for key, run in verdicts_by_run(rows).items():
        value = dict(key.params).get(parameter)
        if value is not None:
            lost = sum(abs(row.size) for row in run if row.verdict in MEMORY)
            found.setdefault(key.policy, {}).setdefault(value, []).append(lost)
    if not found:
        raise ReportError(f"no run of the sweep has the parameter {parameter!r}; name one that was set")
    return found


@look()
def loss_figure(rows: Sequence[SweepRow], parameter: str) -> Figure:
    """A line for each policy through the means of its runs, a mark for each run, larger where several lie together."""
    found = losses(rows, parameter)
    values = {value for of_policy in found.values() for value in of_policy}
    numeric = all(isinstance(value, (int, float)) for value in values)
    order = sorted(values, key=(lambda v: (float(v), "")) if numeric else (lambda v: (0.0, str(v))))
    place = {value: float(value) if numeric else float(n) for n, value in enumerate(order)}
    apart = _APART * ((max(place.values()) - min(place.values())) or 1.0)
    figure = Figure(figsize=(_WIDTH, _LOSS_POINTS / 72), layout="constrained")
    ax = figure.subplots()
    dress(ax)
    for n, (policy, of_policy) in enumerate(found.items()):
        color, marker, line = _LOOKS[n % len(_LOOKS)]
        known = [value for value in order if value in of_policy]
        x = [place[value] + apart * (n - (len(found) - 1) / 2) for value in known]
        each = Counter((at, float(lost)) for at, value in zip(x, known, strict=True) for lost in of_policy[value])
        _dots(ax, each, color, marker, policy)
        middle = [mean(of_policy[value]) for value in known]
        ax.plot(x, middle, line, marker=marker, color=color, markeredgecolor=INK, markeredgewidth=0.5, label=policy)
    if not numeric:
        ax.set_xticks([place[value] for value in order], [str(value) for value in order])
    ax.set_ylim(bottom=0 if ax.get_ylim()[1] > 0 else None)
    ax.set_xlabel(parameter)
    ax.set_ylabel("slots lost or double per run")
    ax.set_title("each run (pale), and the mean of the runs (line)", loc="left", color=INK)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _dots(ax: Axes, each: Counter[tuple[float, float]], color: str, marker: str, name: str) -> None:
    """A mark at each place, its area as the number of those that lie there."""
    x, y = zip(*each, strict=True)
    most = max(each.values())
    sizes = [_DOT * (1 + 4 * times / most) for times in each.values()]
    ax.scatter(x, y, s=sizes, marker=marker, color=color, alpha=0.45, linewidths=0, label=f"_{name}", zorder=3)


@look()
def latency_figure(rows: Sequence[SweepRow]) -> Figure:
    """A line for each policy: after how many iterations each fault was seen, and how many never were."""
    faults = [row for row in rows if row.verdict != CLEAN]
    policies = list(dict.fromkeys(row.policy for row in rows))
    figure = Figure(figsize=(_WIDTH, (_LINE_POINTS * max(1, len(policies)) + _EDGES_POINTS) / 72), layout="constrained")
    ax = figure.subplots()
    dress(ax)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.6)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_yticks(range(len(policies)), [_short(policy) for policy in policies])
    ax.set_ylim(len(policies) - 0.5, -0.5)
    latest = max((row.latency for row in faults if row.latency is not None), default=1)
    ax.set_xscale("symlog", linthresh=10)
    ax.set_xlim(-0.8, max(2.0, 1.3 * latest))
    ticks = [0, 2, 5, 10, 100, 1000, 10_000, 100_000, 1_000_000]
    ax.set_xticks([tick for tick in ticks if tick <= max(2, 1.3 * latest)])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    ax.minorticks_off()
    for at, policy in enumerate(policies):
        _draw_policy(ax, at, [row for row in faults if row.policy == policy])
    ax.set_xlabel("iterations from cause to detection")
    ax.set_title("each fault, the median (line), and how many the release's checks never see", loc="left", color=INK)
    return figure


def _draw_policy(ax: Axes, at: int, faults: Sequence[SweepRow]) -> None:
    """A dot for each latency, as large as it is common; latencies that differ by a hundredth share one."""
    seen = [row.latency for row in faults if row.latency is not None]
    if seen:
        _dots(ax, Counter((float(f"{latency:.2g}"), float(at)) for latency in seen), BOOKS, "o", "seen")
        ax.plot([median(seen)] * 2, [at - 0.38, at + 0.38], color=INK, linewidth=1.4, label="_median")
    never = len(faults) - len(seen)
    words = f"never: {count(never)} of {count(len(faults))}" if faults else "no fault"
    ax.text(1.01, at, words, transform=ax.get_yaxis_transform(), va="center", fontsize=7.5)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1]}…"
