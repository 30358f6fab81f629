"""Time as the release sees it: the engine's clock, in every module that asks for the time."""

from __future__ import annotations

import itertools
import sys
import time
from types import ModuleType
from typing import Any

_FIRST = 5e-324


class Reading(float):
    """One look at the clock: of two looks at the same time, as on a real clock, one still came first."""

    __slots__ = ("order",)
    order: int

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Reading):
            return float.__eq__(self, other) and self.order == other.order
        return float.__eq__(self, other) if isinstance(other, int | float) else NotImplemented

    def __lt__(self, other: float) -> bool:
        if isinstance(other, Reading) and float.__eq__(self, other):
            return self.order < other.order
        return float.__lt__(self, other)

    def __gt__(self, other: float) -> bool:
        if isinstance(other, Reading) and float.__eq__(self, other):
            return self.order > other.order
        return float.__gt__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __le__(self, other: float) -> bool:
        return not self > other

    def __ge__(self, other: float) -> bool:
        return not self < other

    def __neg__(self) -> Reading:
        negative = Reading(-float(self))
        negative.order = -self.order
        return negative

    __hash__ = float.__hash__


class Ticks:
    """Time as the prefix trees see it: nothing but the order of accesses, so every look is a moment later."""

    def __init__(self) -> None:
        self.monotonic = itertools.count(1).__next__

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class Clock:
    """Simulated time, in the place of the module `time`.

    The release takes zero for "never", so the first moment is just above it.
    """

    def __init__(self) -> None:
        self._now = _FIRST
        self._looks = 0

    def set(self, now: float) -> None:
        """It is `now`."""
        self._now = now or _FIRST

    def perf_counter(self) -> float:
        """The time."""
        self._looks += 1
        reading = Reading(self._now)
        reading.order = self._looks
        return reading

    def monotonic(self) -> float:
        """The time."""
        return self._now

    time = monotonic

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def install(self) -> None:
        """Into every module of the release that asks for the time."""
        ticks = Ticks()
        for name, module in list(sys.modules.items()):
            if name.startswith("sglang.") and isinstance(module, ModuleType):
                scope = vars(module)
                if scope.get("time") is time:
                    scope["time"] = ticks if name.startswith("sglang.srt.mem_cache.") else self
                for ours, theirs in (("monotonic_time", time.perf_counter), ("real_time", time.time)):
                    if scope.get(ours) is theirs:
                        scope[ours] = self.perf_counter if ours == "monotonic_time" else self.monotonic
