"""What the import boundary of one release is made of: the types of its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A name in a stand-in that has a definite value."""

    name: str
    value: Any
    reason: str


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A function, kernel or constant of an executed module that is another one here.

    `make` is given the module and returns what takes the place; with `parameters` the original must take just these.
    """

    name: str
    make: Callable[[Any], Any]
    reason: str
    parameters: tuple[str, ...] | None = None

    @property
    def module(self) -> str:
        """The module part of the name: what stands before the colon."""
        return self.name.partition(":")[0]

    @property
    def path(self) -> tuple[str, ...]:
        """The attribute path inside the module."""
        return tuple(self.name.partition(":")[2].split("."))


@dataclass(frozen=True, kw_only=True)
class Table:
    """The boundary of one release."""

    version: str
    executed: tuple[str, ...]
    answers: tuple[Answer, ...]
    replaced: tuple[Replaced, ...]
    modules: dict[str, str]
    required: tuple[str, ...] = ()
    revertible: tuple[int, ...] = ()
    not_revertible: tuple[tuple[int, str], ...] = ()
    markers: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The table as text, one entry a line."""
        return [
            f"SGLang {self.version}",
            *(f"executed    {name}" for name in self.executed),
            "executed    what managers, mem_cache, session and speculative have that none of our releases has",
            "stood in    every other module, but for the standard library and what `own` names",
            *(f"answered    {a.name}: {a.reason}" for a in self.answers),
            *(f"replaced    {r.name}: {r.reason}" for r in self.replaced),
            *(f"revertible  {n}" for n in self.revertible),
            *(f"not to be reverted {n}: {reason}" for n, reason in self.not_revertible),
        ]
