"""A line on a terminal that says how far a run is. Besides the bound on a worker's answer the only place that reads
the wall clock.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TextIO

_PERIOD = 0.1


class Progress:
    """Rewrites one line of a terminal; writes nothing to anything else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._on = stream.isatty()
        self._written = False

    def watch(self, scenario: str, variant: str) -> Callable[[int, float], None] | None:
        """What a run calls with its event number and simulated time."""
        if not self._on:
            return None
        start = last = monotonic()

        def notice(event: int, time: float) -> None:
            nonlocal last
            now = monotonic()
            if now - last >= _PERIOD:
                last = now
                rate = event / (now - start)
                self.show(f"{scenario} {variant}: {event} events, {time:.1f} s simulated, {rate:,.0f} events/s")

        return notice

    def show(self, text: str) -> None:
        """Write the line."""
        if self._on:
            self._stream.write(f"\r\x1b[2K{text[:99]}")
            self._stream.flush()
            self._written = True

    def clear(self) -> None:
        """Take the line away."""
        if self._written:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._written = False
