"""Simulated seconds as whole nanoseconds, so that time never stands still from one event to the next."""

from __future__ import annotations


class Timeline:
    """Events that share a time are one nanosecond apart: each has a moment of its own, and lasts."""

    def __init__(self) -> None:
        self._last = -1

    def tick(self, seconds: float) -> int:
        """The moment of the next event."""
        self._last = max(round(seconds * 1e9), self._last + 1)
        return self._last

    def reach(self, at: int) -> None:
        """Something was written as late as this."""
        self._last = max(self._last, at)
