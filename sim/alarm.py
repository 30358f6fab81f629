"""A call at the earliest of the times asked for."""

from __future__ import annotations

from collections.abc import Callable

from simpy import Environment, Event


class Alarm:
    """Rings once at the earliest time asked for, however often it was asked, and forgets the rest."""

    def __init__(self, env: Environment, ring: Callable[[], None]) -> None:
        self._env = env
        self._ring = ring
        self._armed: Event | None = None
        self._time = 0.0

    def at(self, time: float) -> None:
        """Ring at this time, unless it rings earlier."""
        if self._armed is not None and self._time <= time:
            return
        self._time = time
        self._armed = self._env.timeout(max(0.0, time - self._env.now))
        assert self._armed.callbacks is not None, "a new event has callbacks"
        self._armed.callbacks.append(self._fire)

    def _fire(self, event: Event) -> None:
        if event is self._armed:
            self._armed = None
            self._ring()
