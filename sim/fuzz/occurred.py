"""What happened: inside the model; of a real release, into which nothing is hooked, as far as its answers tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sim.cases.kinds import EVENTS, OPERATIONS, kind_of
from sim.cases.watch import Watch
from sim.engines.model import ModelEngine
from sim.engines.protocol import Engine

TOLD = (
    "prefill", "decode", "mixed", "idle", "refused admission", "real retract", "busy check", "idle check",
    "crash", "close carried out later", "stuck",
)  # fmt: skip
"""The kinds of events that can be told from answers."""


def watching(engine: Engine) -> Watch | Reports:
    """What counts on this engine."""
    return Watch(engine) if isinstance(engine, ModelEngine) else Reports()


def absent(operations: Mapping[str, int], events: Mapping[str, int], *, told: bool) -> list[str]:
    """The kinds of operations and events that never occurred; `told`: only of those that answers tell."""
    kinds = TOLD if told else EVENTS
    return [k for k in OPERATIONS if not operations.get(k)] + [k for k in kinds if not events.get(k)]


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
