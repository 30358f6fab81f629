"""What a run came to: its verdicts, and whether they are the expected ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.clock import Ending
    from sim.ledger.verdicts import Verdict


@dataclass(frozen=True, kw_only=True)
class Result:
    """One variant of one scenario, run to its end."""

    scenario: str
    variant: str
    release: str
    reverted: tuple[int, ...]
    added: tuple[int, ...]
    engine: str
    events: int
    checks: int
    iterations: int
    time: float
    ending: Ending
    verdicts: tuple[Verdict, ...]
    expected: tuple[dict[str, Any], ...] = ()
    unmet: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    judged: bool = False
    folder: Path | None = None

    @property
    def ok(self) -> bool:
        """Every expectation holds; without any, no verdict but clean."""
        if self.ending == "limit" or self.unmet:
            return False
        return self.judged or not self.verdicts

    @property
    def status(self) -> int:
        """Exit status: 0 as expected, 3 stuck or out of time, 1 any other verdict or unmet expectation."""
        if self.ok:
            return 0
        stuck = self.ending in ("stuck", "limit")
        return 3 if stuck and all(v.verdict == "stuck" for v in self.verdicts) else 1

    def to_json(self) -> dict[str, Any]:
        """The variant's entry in verdicts.json."""
        entry: dict[str, Any] = {"release": self.release, "reverted": list(self.reverted)}
        if self.added:
            entry["added"] = list(self.added)
        if self.frames:
            entry["frames"] = list(self.frames)
        return entry | {
            "engine": self.engine,
            "events": self.events,
            "checks": self.checks,
            "iterations": self.iterations,
            "ok": self.ok,
            "verdicts": [v.to_json() for v in self.verdicts],
            "expected": list(self.expected),
            "unmet": list(self.unmet),
        }


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A variant that the engine cannot run."""

    scenario: str
    variant: str
    reason: str


def document(scenario: str, results: Iterable[Result], left_out: Iterable[LeftOut] = ()) -> dict[str, Any]:
    """One scenario's document in verdicts.json; `left_out` stands in it if something was."""
    whole: dict[str, Any] = {"scenario": scenario, "variants": {r.variant: r.to_json() for r in results}}
    reasons = {one.variant: one.reason for one in left_out}
    return whole | {"left_out": reasons} if reasons else whole


def combined_status(results: Iterable[Result]) -> int:
    """1 before 3 before 0: a wrong verdict outweighs a run that got stuck."""
    statuses = {r.status for r in results}
    return next((status for status in (1, 3) if status in statuses), 0)
