"""What happened, as far as the answers of an engine tell: for real releases, into which nothing is hooked."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sim.cases.kinds import kind_of

TOLD = (
    "prefill", "decode", "mixed", "idle", "refused admission", "real retract", "busy check", "idle check",
    "crash", "close carried out later", "stuck",
)  # fmt: skip
"""The kinds of events that can be told from answers."""


class Reports:
    """Counts what an engine answers."""

    def __init__(self) -> None:
        self.operations: Counter[str] = Counter()
        self.events: Counter[str] = Counter()

    def before(self, _: float, what: Any) -> None:
        """An operation is about to be done."""
        self.operations[kind_of(what)] += 1

    def after(self, answer: tuple[tuple[str, ...], Any]) -> None:
        """It has been done."""
        closed, report = answer
        self.events["close carried out later"] += len(closed)
        if report is None:
            return
        self.events[report.kind] += 1
        self.events["refused admission"] += len(report.refused)
        self.events["real retract"] += len(report.retracted)
        if report.release_check is not None:
            self.events["idle check" if report.kind == "idle" else "busy check"] += 1

    def died(self, _: Exception) -> None:
        """An operation raised; the case ends there."""
        self.events["crash"] += 1
