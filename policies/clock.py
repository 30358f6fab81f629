"""Decision `clock`: how long a request is for window eviction (22900).

A round that is in flight may have accepted more than the text says; what is reserved lies further on still:

    text … c … device … a        text: as released, the cursor e never reaches the end of a turn that goes over it
"""

from __future__ import annotations

from typing import ClassVar

from sim.scheduler.table import OUT, PROMPT, A, C
from sim.world import Ints


class Text:
    """As released: the text so far, without its last token."""

    decision: ClassVar[str] = "clock"
    name: ClassVar[str] = "text"
    counts_reserved: ClassVar[bool] = False

    def lengths(self, hot: Ints, index: Ints) -> Ints:
        """O + out − 1."""
        lengths: Ints = hot[PROMPT][index] + hot[OUT][index] - 1
        return lengths


class Committed:
    """What the host knows to be computed; it lags behind a round in flight, so e stays below the end of the turn."""

    decision: ClassVar[str] = "clock"
    name: ClassVar[str] = "committed"
    counts_reserved: ClassVar[bool] = False

    def lengths(self, hot: Ints, index: Ints) -> Ints:
        """c."""
        lengths: Ints = hot[C][index]
        return lengths


class Reserved:
    """What the row has once a step has taken its slots: e can pass the end of a turn, and 22900 is what caps it."""

    decision: ClassVar[str] = "clock"
    name: ClassVar[str] = "reserved"
    counts_reserved: ClassVar[bool] = True

    def lengths(self, hot: Ints, index: Ints) -> Ints:
        """a."""
        lengths: Ints = hot[A][index]
        return lengths
