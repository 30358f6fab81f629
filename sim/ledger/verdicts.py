"""Verdicts: what went wrong, by how much, since when, and whether the release's own checks see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sim.ledger.words import several

NEVER = "never"

INVARIANTS = {
    "leak": "INV-3",
    "double-free": "INV-3",
    "alias": "INV-3",
    "silent": "INV-3",
    "false-alarm": "INV-1",
    "watermark": "INV-4",
    "corrupt": "INV-6",
    "crash": "INV-8",
    "stuck": "INV-9",
}


@dataclass(slots=True)
class Cause:
    """The first posting (or state) that went wrong, often many events before anybody notices."""

    what: str
    event: int
    iteration: int
    time: float
    op: str
    request: str | None = None
    session: str | None = None
    slots: list[int] = field(default_factory=list)
    count: int = 0

    def to_json(self) -> dict[str, Any]:
        """As in verdicts.json."""
        return {**asdict(self), "time": round(self.time, 9)}


@dataclass(slots=True)
class Verdict:
    """One fault, judged."""

    verdict: str
    pool: str
    size: int
    event: int
    iteration: int
    time: float
    request: str | None
    session: str | None
    cause: Cause
    message: str
    invariant: str = ""
    detected_by: str = NEVER
    detected_event: int | None = None
    detected_iteration: int | None = None

    def __post_init__(self) -> None:
        if not self.invariant:
            self.invariant = INVARIANTS[self.verdict]

    @property
    def latency_events(self) -> int | None:
        """Events from the cause to its detection by the release itself."""
        return None if self.detected_event is None else self.detected_event - self.cause.event

    def detect(self, by: str, event: int, iteration: int) -> None:
        """The release's own check has seen it; only the first time counts."""
        if self.detected_event is None:
            self.detected_by, self.detected_event, self.detected_iteration = by, event, iteration

    def measured(self, count: int) -> str:
        """So many of what it is about: of what its pool is made of; work that waits is counted by requests."""
        return several(count, "queue" if self.verdict == "stuck" else self.pool)

    def to_json(self) -> dict[str, Any]:
        """As in verdicts.json."""
        return {
            "verdict": self.verdict,
            "invariant": self.invariant,
            "pool": self.pool,
            "size": self.size,
            "event": self.event,
            "iteration": self.iteration,
            "time": round(self.time, 9),
            "request": self.request,
            "session": self.session,
            "cause": self.cause.to_json(),
            "detected_by": self.detected_by,
            "detected_event": self.detected_event,
            "detected_iteration": self.detected_iteration,
            "latency_events": self.latency_events,
            "message": self.message,
        }

    def text(self) -> str:
        """The verdict in full: what, how much, where, since when, who sees it."""
        who = " ".join(
            f"{kind} {name}" for kind, name in (("request", self.request), ("session", self.session)) if name
        )
        if self.detected_event is None and self.verdict == "false-alarm":
            seen = "no check of the release looks at these books while they are off, so none raises the alarm"
        elif self.detected_event is None:
            seen = "the release's own checks never see it"
        else:
            seen = (
                f"the release sees it at iteration {self.detected_iteration} ({self.detected_by}), "
                f"{self.latency_events} events after the cause"
            )
        size = self.measured(self.size) if self.verdict == "stuck" else f"{self.size:+d}"
        return (
            f"{self.verdict} {size} in pool {self.pool} ({self.invariant}) at event {self.event}, "
            f"iteration {self.iteration}, {self.time:.6f} s{', ' + who if who else ''}\n"
            f"  {self.message}\n"
            f"  cause: event {self.cause.event} ({self.cause.op}): {self.cause.what}\n"
            f"  {seen}"
        )
