"""A line on a terminal that says how far a run is, or what takes its time. Besides the bound on a worker's answer the
only place that reads the wall clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from sim.paint import width_of

if TYPE_CHECKING:
    from sim.scenario.model import Until

_PERIOD = 0.1
_PATIENCE = 2.0
"""Seconds after which a run is worth a line."""
_BAR = 20
_WIDTH = 100


class Progress:
    """Rewrites one line of a terminal; writes nothing to anything else, and nothing about what is done at once."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream = stream
        self._on = stream.isatty() and not quiet
        self._written = False
        self._begun = monotonic() if self._on else 0.0

    def watch(
        self, what: str, *, done: int = 0, of: int = 1, until: Until | None = None
    ) -> Callable[[int, float], None] | None:
        """What a run calls with its event number and simulated time.

        It is one of several, and so many are done; `until`: when it is to end, if that is known.
        """
        if not self._on:
            return None
        start = last = monotonic()

        def notice(event: int, time: float) -> None:
            nonlocal last
            now = monotonic()
            if now - last >= _PERIOD and now - self._begun >= _PATIENCE:
                last = now
                rate = event / (now - start)
                part = _part(until, event, time)
                bar = f"{_bar((done + part) / of)} " if of > 1 or part else ""
                bar += f"{done + 1}/{of} " if of > 1 else ""
                told = f": {event:,} events, {time:.1f} s simulated, {rate:,.0f} events/s" if event else ""
                self.show(f"{bar}{what}{told}")

        return notice

    def show(self, text: str) -> None:
        """Write the line."""
        if self._on:
            self._stream.write(f"\r\x1b[2K{text[: width_of(self._stream, _WIDTH) - 1]}")
            self._stream.flush()
            self._written = True

    def clear(self) -> None:
        """Take the line away."""
        if self._written:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._written = False


@contextmanager
def waiting(stream: TextIO, what: str) -> Iterator[Progress]:
    """Says what is being done, once it has taken its time, until it is done or the line is cleared."""
    progress = Progress(stream)
    timer = Timer(_PATIENCE, progress.show, [f"{what} …"])
    timer.daemon = True
    timer.start()
    try:
        yield progress
    finally:
        timer.cancel()
        timer.join()
        progress.clear()


def _part(until: Until | None, event: int, time: float) -> float:
    """How much of a run is done, as far as that can be told."""
    if until is None:
        return 0.0
    parts = (time / until.time if until.time else 0.0, event / until.iterations if until.iterations else 0.0)
    return min(1.0, max(parts))


def _bar(share: float) -> str:
    full = round(share * _BAR)
    return f"[{'#' * full}{'.' * (_BAR - full)}]"
