"""Decision `ratio`: the share of its maximal output that a running request is expected to need."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sim.scheduler.retract import Survivors

_INITIAL = 0.7
_MINIMUM_FACTOR = 0.14
_DECAY_STEPS = 600


class Decaying:
    """Starts high, decays with each decode step, is raised by a retract, starts anew when idle."""

    decision: ClassVar[str] = "ratio"
    name: ClassVar[str] = "decaying"

    def start(self, conservativeness: float) -> float:
        """0.7, scaled, at most 1."""
        return min(_INITIAL * conservativeness, 1.0)

    def decayed(self, ratio: float, conservativeness: float) -> float:
        """One step of 600 towards 14 % of the start."""
        start = self.start(conservativeness)
        least = min(start * _MINIMUM_FACTOR, 1.0)
        return max(ratio - (start - least) / _DECAY_STEPS, least)

    def after_retract(self, survivors: Survivors, steps: int) -> float:
        """What the survivors have used of what they may use, and some steps more."""
        used = survivors.decoded + steps * survivors.count
        return min(1.0, used / (survivors.max_new + 1))
