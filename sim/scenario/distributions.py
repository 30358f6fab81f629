"""Numbers that a generator draws: constant, uniform, lognormal, exponential, or one of several."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from sim.scenario.errors import ValueProblem, choose, shown

if TYPE_CHECKING:
    import numpy as np

Number: TypeAlias = int | float


class Dist(Protocol):
    """Something that can be drawn from; every draw lies within `lowest` … `highest`."""

    @property
    def lowest(self) -> Number:
        """No draw is below this."""

    @property
    def highest(self) -> Number:
        """No draw is above this."""

    def draw(self, rng: np.random.Generator) -> Number:
        """One number; a whole one where whole numbers are asked for."""


@dataclass(frozen=True)
class Constant:
    """Always the same."""

    value: Number

    @property
    def lowest(self) -> Number:
        """The value."""
        return self.value

    @property
    def highest(self) -> Number:
        """The value."""
        return self.value

    def draw(self, rng: np.random.Generator) -> Number:
        """The value; takes nothing from the generator."""
        return self.value


@dataclass(frozen=True)
class Uniform:
    """Every number between two bounds, both included, equally likely."""

    lowest: Number
    highest: Number

    def draw(self, rng: np.random.Generator) -> Number:
        """One number between the bounds."""
        if isinstance(self.lowest, int) and isinstance(self.highest, int):
            return int(rng.integers(self.lowest, self.highest + 1))
        return min(self.highest, max(self.lowest, float(rng.uniform(self.lowest, self.highest))))


@dataclass(frozen=True)
class Choice:
    """One of several values, equally likely; a value that stands twice is twice as likely."""

    values: tuple[Number, ...]

    @property
    def lowest(self) -> Number:
        """The smallest value."""
        return min(self.values)

    @property
    def highest(self) -> Number:
        """The largest value."""
        return max(self.values)

    def draw(self, rng: np.random.Generator) -> Number:
        """One of the values."""
        return self.values[int(rng.integers(len(self.values)))]


@dataclass(frozen=True)
class Lognormal:
    """Lengths as people write them: most near the median, a few far above it."""

    median: float
    sigma: float
    lowest: Number
    highest: Number

    def draw(self, rng: np.random.Generator) -> Number:
        """One number; what would lie outside is put on the bound."""
        value = self.median * math.exp(min(100.0, self.sigma * float(rng.standard_normal())))
        return _within(value, self.lowest, self.highest)


@dataclass(frozen=True)
class Exponential:
    """Waiting times without memory."""

    mean: float
    lowest: Number
    highest: Number

    def draw(self, rng: np.random.Generator) -> Number:
        """One number; what would lie outside is put on the bound."""
        return _within(self.mean * float(rng.standard_exponential()), self.lowest, self.highest)


def _within(value: float, lowest: Number, highest: Number) -> Number:
    bounded = max(lowest, min(highest, value))
    return round(bounded) if isinstance(highest, int) else float(bounded)


Reader: TypeAlias = Callable[[Any], Number]
"""Reads one number of a distribution; raises ValueProblem."""
_SHAPES = ("uniform", "lognormal", "choice", "exponential")
_FORMS = (
    "write a number, or one of {uniform: [lo, hi]}, {choice: [..]}, {lognormal: {median, sigma, max}}, "
    "{exponential: {mean, max}}"
)


def read_dist(value: Any, number: Reader, lowest: Number) -> Dist:
    """The distribution that a YAML value spells; `number` reads its parts, no draw is below `lowest`."""
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueProblem("a list is no distribution", "write {choice: [..]} or {uniform: [lo, hi]}")
        return Constant(number(value))
    if len(value) != 1:
        raise ValueProblem(f"a distribution has one name, not {len(value)}", _FORMS)
    ((shape, body),) = value.items()
    if shape not in _SHAPES:
        raise ValueProblem(f"{shown(shape)} is no distribution", choose(shape, _SHAPES), (shape,))
    try:
        if shape == "uniform":
            return _uniform(body, number)
        if shape == "choice":
            return _choice(body, number)
        if shape == "lognormal":
            return _lognormal(body, number, lowest)
        return _exponential(body, number, lowest)
    except ValueProblem as problem:
        raise problem.under(shape) from None


def _uniform(body: Any, number: Reader) -> Dist:
    if not isinstance(body, list) or len(body) != 2:
        raise ValueProblem("uniform takes two bounds", "write {uniform: [lo, hi]}")
    low, high = _numbers(body, number)
    if low > high:
        raise ValueProblem(f"the lower bound {low} is above the upper bound {high}", f"write [{high}, {low}]")
    return Uniform(low, high)


def _choice(body: Any, number: Reader) -> Dist:
    if not isinstance(body, list) or not body:
        raise ValueProblem("choice takes a list of values", "write {choice: [8, 64, 512]}")
    return Choice(tuple(_numbers(body, number)))


def _numbers(body: list[Any], number: Reader) -> list[Number]:
    return [_read(number, item, index) for index, item in enumerate(body)]


def _lognormal(body: Any, number: Reader, lowest: Number) -> Dist:
    _keys(body, ("median", "sigma", "max"), "lognormal")
    sigma = body["sigma"]
    if isinstance(sigma, bool) or not isinstance(sigma, int | float) or not 0 <= sigma <= 10:
        raise ValueProblem(
            f"sigma is {shown(sigma)}", "write a number from 0 to 10, e.g. `sigma: 0.8`", ("sigma",)
        )
    median, highest = _read(number, body["median"], "median"), _read(number, body["max"], "max")
    _ordered("median", median, highest)
    return Lognormal(median, sigma, lowest, highest)


def _exponential(body: Any, number: Reader, lowest: Number) -> Dist:
    _keys(body, ("mean", "max"), "exponential")
    mean, highest = _read(number, body["mean"], "mean"), _read(number, body["max"], "max")
    _ordered("mean", mean, highest)
    return Exponential(mean, lowest, highest)


def _ordered(name: str, value: Number, highest: Number) -> None:
    if value > highest:
        raise ValueProblem(
            f"the {name} {value} is above max {highest}", f"write a max of at least {value}", ("max",)
        )


def _read(number: Reader, value: Any, at: str | int) -> Number:
    try:
        return number(value)
    except ValueProblem as problem:
        raise problem.under(at) from None


def _keys(body: Any, wanted: tuple[str, ...], shape: str) -> None:
    form = f"write {{{shape}: {{{', '.join(wanted)}}}}}"
    if not isinstance(body, dict):
        raise ValueProblem(f"{shape} takes a mapping", form)
    for key in body:
        if key not in wanted:
            raise ValueProblem(f"unknown key {shown(key)} in {shape}", choose(key, wanted), (key,))
    for key in wanted:
        if key not in body:
            raise ValueProblem(f"{shape} has no `{key}`", form)
