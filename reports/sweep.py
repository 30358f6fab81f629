"""Many runs side by side: which verdict where, how much is lost, how soon it is seen.

What is drawn is a plain table of `SweepRow`; `rows_of` makes one from the runs of an output folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reports.data import Run, Verdict
from reports.find import Scenario
from reports.style import BOOKS, INK, MUTED, ON_BRIGHT, PAPER, TRUTH, TermStyle

CLEAN = "clean"
MEMORY = ("leak", "double-free", "alias", "silent")
"""The verdicts whose size is memory that is truly lost or double."""


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """One verdict of one run; a run with several has as many rows, a clean run has one row with `clean`.

    A run is known by scenario, policy (or variant), seed and parameters. `size` counts slots, with its sign, `latency`
    the iterations from cause to detection: None if it was never seen, or if there is nothing to see. `ok` is whether
    the run went as expected. A row of a sweep:

        SweepRow(scenario="burst", policy="without-22862", seed=7, params={"rate": 4}, verdict="leak", size=-3)
    """

    scenario: str
    policy: str
    seed: int = 0
    params: Mapping[str, float | str] = field(default_factory=dict)
    verdict: str = CLEAN
    size: int = 0
    latency: int | None = None
    ok: bool = True

    @property
    def run(self) -> RunKey:
        """What tells the run apart from the others."""
        return RunKey(self.scenario, self.policy, self.seed, tuple(sorted(self.params.items())))


class RunKey(NamedTuple):
    """A run of a sweep."""

    scenario: str
    policy: str
    seed: int
    params: tuple[tuple[str, float | str], ...]


@dataclass(frozen=True)
class Kind:
    """How a kind of verdict is written in a cell, and filled."""

    letters: str
    style: TermStyle
    ink: str = INK


KINDS = {
    CLEAN: Kind("✓", TermStyle("#009e73", "", 0.25)),
    "false-alarm": Kind("FA", TermStyle(BOOKS, ""), ON_BRIGHT),
    "watermark": Kind("W", TermStyle("#f0e442", ""), ON_BRIGHT),
    "stuck": Kind("ST", TermStyle(MUTED, ""), PAPER),
    "leak": Kind("L", TermStyle(TRUTH, "////")),
    "double-free": Kind("DF", TermStyle(TRUTH, "\\\\\\\\")),
    "alias": Kind("A", TermStyle(TRUTH, "xxxx")),
    "silent": Kind("S", TermStyle(INK, ""), PAPER),
    "corrupt": Kind("C", TermStyle("#882255", ""), "#ffffff"),
    "crash": Kind("X", TermStyle(PAPER, "++++")),
}
"""From harmless to worst."""

_UNKNOWN = Kind("?", TermStyle(PAPER, ""))


def kind_of(verdict: str) -> Kind:
    """The look of a verdict, also of one that is not known here."""
    return KINDS.get(verdict, _UNKNOWN)


def badness(verdict: str) -> int:
    """A greater number for what is worse."""
    names = list(KINDS)
    return names.index(verdict) if verdict in names else len(names)


def verdicts_by_run(rows: Iterable[SweepRow]) -> dict[RunKey, list[SweepRow]]:
    """The rows of each run, in the order given."""
    runs: dict[RunKey, list[SweepRow]] = {}
    for row in rows:
        runs.setdefault(row.run, []).append(row)
    return runs


def rows_of(scenarios: Sequence[Scenario]) -> list[SweepRow]:
    """The table of an output folder: verdicts by scenario and variant."""
    return [row for scenario in scenarios for run in scenario.runs for row in _rows(run)]


def _rows(run: Run) -> list[SweepRow]:
    seed = run.meta.get("seed")
    number = seed if isinstance(seed, int) else 0
    ok = run.outcome.ok
    rows = [
        SweepRow(
            scenario=run.scenario,
            policy=run.variant,
            seed=number,
            verdict=verdict.verdict,
            size=verdict.size,
            latency=_latency(verdict),
            ok=ok,
        )
        for verdict in run.outcome.verdicts
    ]
    return rows or [SweepRow(scenario=run.scenario, policy=run.variant, seed=number, ok=ok)]


def _latency(verdict: Verdict) -> int | None:
    """Iterations from the cause to the detection."""
    began = verdict.cause.iteration if verdict.cause else verdict.iteration
    if verdict.detected_iteration is None or began is None:
        return None
    return max(0, verdict.detected_iteration - began)
