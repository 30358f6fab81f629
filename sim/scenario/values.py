"""Single values of a scenario: durations, rates, counts, accepted lengths; readers raise ValueProblem."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

from sim.scenario.distributions import Choice, Dist, Number, read_dist
from sim.scenario.errors import ValueProblem, shown

LONGEST_TEXT = 1 << 24
"""Tokens of one prompt or output: sixteen times the longest context on sale."""
LONGEST_TIME = 1e9
"""Seconds: thirty years, after which nanoseconds get lost in a float."""
FASTEST = 1e6
"""Requests per second."""

Accept: TypeAlias = tuple[int, ...] | float
Close: TypeAlias = float | Literal["end", "never"]

_NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+"
_DURATION = re.compile(rf"\s*({_NUMBER})\s*(us|ms|s|m|h)\s*")
_RATE = re.compile(rf"\s*({_NUMBER})\s*/\s*(s|m|h)\s*")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_PARTS = {"us": 1_000_000, "ms": 1000}


def duration(value: Any) -> float:
    """Seconds, from `1.2s`, `300ms`, `2m`, `1h` or a plain number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        amount, unit = float(found[1]), found[2]
        # Dividing keeps 300ms at exactly 0.3, which multiplying by 0.001 would not.
        seconds = amount / _PARTS[unit] if unit in _PARTS else amount * _SECONDS[unit]
    else:
        raise ValueProblem(
            f"{shown(value)} is no duration", "write e.g. `1.5s`, `300ms`, `2m` or a number of seconds"
        )
    if seconds < 0:
        raise ValueProblem(f"a duration of {shown(value)} is negative", "write zero or more, e.g. `1.5s`")
    if not seconds <= LONGEST_TIME:
        raise ValueProblem(
            f"a duration of {shown(value)} is beyond thirty years", "write a shorter one, e.g. `24h`"
        )
    return seconds


def positive_duration(value: Any) -> float:
    """A duration that is not zero."""
    seconds = duration(value)
    if seconds == 0:
        raise ValueProblem("a duration of zero does not pass", "write more than zero, e.g. `1ms`")
    return seconds


def spell_duration(seconds: float) -> str:
    """A duration as a scenario spells it; `duration()` reads back the same number."""
    return f"{seconds:g}s" if float(f"{seconds:g}") == seconds else f"{seconds!r}s"


def rate(value: Any) -> float:
    """Events per second, from `20/s`, `90/m`, `5/h` or a plain number per second."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        per_second = float(value)
    elif isinstance(value, str) and (found := _RATE.fullmatch(value)):
        per_second = float(found[1]) / _SECONDS[found[2]]
    else:
        raise ValueProblem(f"{shown(value)} is no rate", "write e.g. `20/s` or `90/m`")
    if not 0 < per_second <= FASTEST:
        raise ValueProblem(
            f"a rate of {shown(value)} is out of range", "write more than 0/s and at most 1000000/s"
        )
    return per_second


def whole(value: Any, low: int, high: int, example: str) -> int:
    """A whole number in a range."""
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, float) and value.is_integer() and low <= value <= high:
            raise ValueProblem(f"{shown(value)} is no whole number", f"write {int(value)}")
        raise ValueProblem(f"{shown(value)} is no whole number", f"write e.g. {example}")
    if value < low:
        raise ValueProblem(f"{shown(value)} is too small", f"write {low} or more")
    if value > high:
        raise ValueProblem(f"{shown(value)} is too large", f"write at most {high}")
    return value


def above_zero(value: Any, most: float, example: str) -> float:
    """A number that is more than zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueProblem(f"{shown(value)} is no number", f"write e.g. {example}")
    if not 0 < value <= most:
        raise ValueProblem(f"{shown(value)} is out of range", f"write more than 0 and at most {most:g}, e.g. {example}")
    return float(value)


def tokens_dist(value: Any) -> Dist:
    """A number of tokens, or how it is drawn."""
    return read_dist(value, lambda v: whole(v, 1, LONGEST_TEXT, "64"), 1)


def seconds_dist(value: Any) -> Dist:
    """A duration, or how it is drawn."""
    return read_dist(value, duration, 0.0)


def count_dist(value: Any) -> Dist:
    """How many of something, at least one, or how that is drawn."""
    return read_dist(value, lambda v: whole(v, 1, 1_000_000, "8"), 1)


def priority_dist(value: Any) -> Dist:
    """A priority; a list stands for one of its values."""

    def read(v: Any) -> Number:
        return whole(v, -1_000_000, 1_000_000, "10")

    if isinstance(value, list) and value:
        return Choice(tuple(_each(value, read)))
    return read_dist(value, read, -1_000_000)


def _each(values: list[Any], read: Any) -> list[Any]:
    found = []
    for index, value in enumerate(values):
        try:
            found.append(read(value))
        except ValueProblem as problem:
            raise problem.under(index) from None
    return found


def accept(value: Any) -> Accept:
    """Tokens that each verify round accepts: a number, a list that repeats, or the chance of one more."""

    def read(v: Any) -> int:
        return whole(v, 1, 64, "2")

    if isinstance(value, dict):
        if set(value) != {"rate"}:
            raise ValueProblem("accept takes a number, a list or a rate", "write 3, [2, 4] or {rate: 0.7}")
        chance = value["rate"]
        if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 <= chance <= 1:
            raise ValueProblem(
                f"an acceptance rate of {shown(chance)}", "write 0 to 1, e.g. {rate: 0.7}", ("rate",)
            )
        return float(chance)
    if isinstance(value, list):
        if not value:
            raise ValueProblem("the list of accepted lengths is empty", "write e.g. [2, 4]")
        return tuple(_each(value, read))
    return (read(value),)


def close(value: Any) -> Close:
    """When a session closes: after its last turn, never, or at a time."""
    if value in ("end", "never"):
        return "end" if value == "end" else "never"
    try:
        return duration(value)
    except ValueProblem:
        raise ValueProblem(
            f"{shown(value)} is no time to close", "write end, never or a time, e.g. `12s`"
        ) from None
