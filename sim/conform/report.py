"""What a run of many cases came to, as text: by target, by the matrix, by kinds of operations and events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sim.cases.kinds import EVENTS, OPERATIONS
from sim.cases.matrix import AXES, KINDS, Pools, cells
from sim.conform.pairs import Difference, Verdict
from sim.conform.targets import Target

_LINE = 120


@dataclass
class Tally:
    """Everything that a run has shown so far."""

    targets: Sequence[Target]
    pools: tuple[Pools, ...] = KINDS
    cases: Counter[str] = field(default_factory=Counter)
    played: Counter[str] = field(default_factory=Counter)
    cells: Counter[str] = field(default_factory=Counter)
    axes: dict[str, Counter[str]] = field(default_factory=lambda: {axis: Counter() for axis in AXES})
    operations: Counter[str] = field(default_factory=Counter)
    events: dict[str, Counter[str]] = field(default_factory=dict)
    cut: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, target: Target, verdicts: Sequence[Verdict]) -> None:
        """Some more cases."""
        events = self.events.setdefault(target.name, Counter())
        for verdict in verdicts:
            outcome, cell = verdict.outcome, verdict.outcome.cell
            self.cases[target.name] += 1
            self.played[target.name] += outcome.length
            self.cells[cell.name] += 1
            for axis in AXES:
                self.axes[axis][str(getattr(cell, axis))] += 1
            self.operations += outcome.operations
            events += outcome.events
            self.cut += outcome.cut
            if verdict.difference is not None:
                self.differences.append(verdict.difference)

    @property
    def missing(self) -> list[str]:
        """Kinds of operations and events that never occurred, on whatever target."""
        seen = Counter[str]()
        for events in self.events.values():
            seen += events
        return [k for k in OPERATIONS if not self.operations[k]] + [k for k in EVENTS if not seen[k]]


def lines(tally: Tally) -> Iterator[str]:
    """The whole report."""
    yield from _by_target(tally)
    yield ""
    yield from _by_axis(tally)
    yield ""
    yield from _by_kind(tally)
    yield ""
    yield from _closing(tally)


def _by_target(tally: Tally) -> Iterator[str]:
    differing = Counter(d.target.name for d in tally.differences)
    yield f"{'target':<24}{'cases':>8}{'operations':>12}{'crashes':>9}{'stuck':>7}{'differences':>13}"
    for target in tally.targets:
        name, events = target.name, tally.events.get(target.name, Counter())
        yield (
            f"{name:<24}{tally.cases[name]:>8}{tally.played[name]:>12}{events['crash']:>9}{events['stuck']:>7}"
            f"{differing[name]:>13}"
        )
    yield (
        f"{'together':<24}{tally.cases.total():>8}{tally.played.total():>12}"
        f"{sum(e['crash'] for e in tally.events.values()):>9}{sum(e['stuck'] for e in tally.events.values()):>7}"
        f"{len(tally.differences):>13}"
    )


def _by_axis(tally: Tally) -> Iterator[str]:
    counts, whole = tally.cells.values(), len(cells(tally.pools))
    least = min(counts) if len(counts) == whole else 0
    yield (
        f"{len(tally.cells)} of {whole} cells of the matrix, {least} to {max(counts, default=0)} cases in each; "
        "cases by axis:"
    )
    for axis in AXES:
        shares = ", ".join(f"{value} {count}" for value, count in sorted(tally.axes[axis].items()))
        yield f"  {axis:<12} {shares}"


def _by_kind(tally: Tally) -> Iterator[str]:
    yield "operations: " + ", ".join(f"{name} {tally.operations[name]}" for name in OPERATIONS)
    yield ""
    heads = [_head(target) for target in tally.targets]
    widths = [max(8, len(head) + 2) for head in heads]
    yield f"{'events':<26}" + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))
    for kind in EVENTS:
        counts = [tally.events.get(target.name, Counter())[kind] for target in tally.targets]
        yield f"{kind:<26}" + "".join(f"{count:>{width}}" for count, width in zip(counts, widths, strict=True))


def _head(target: Target) -> str:
    """Short: what is taken out of a release stands for the release without it."""
    return "−" + "−".join(map(str, target.reverts)) if target.reverts else target.version


def _closing(tally: Tally) -> Iterator[str]:
    if tally.cut:
        yield f"{tally.cut} cases ended early, where several requests were preempted at once: their order is chance"
    for kind in tally.missing:
        yield f"never occurred: {kind}" + (f" ({EVENTS[kind]})" if kind in EVENTS else "")
    if not tally.differences:
        yield "no difference"
        return
    yield f"{len(tally.differences)} differences:"
    for difference in tally.differences:
        yield (
            f"  {difference.target.name}, seed {difference.seed}, {difference.operations} operations: "
            f"{difference.lines[0][:_LINE]}"
        )
        yield f"    {difference.replay}"
