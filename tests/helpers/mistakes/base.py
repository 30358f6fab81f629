"""A deliberate mistake: a fragment of the model that reads otherwise for a while, and is put back afterwards."""

from __future__ import annotations
import __future__

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import dedent
from types import FunctionType
from typing import Any

from sim.cases.matrix import KINDS, Pools


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """In `owner.name`, `right` becomes `wrong`; `on` is the release that is to show it, with these kinds of pools."""

    title: str
    owner: Any
    name: str
    right: str
    wrong: str
    on: str = "0.5.11"
    pools: tuple[Pools, ...] = KINDS

    @property
    def key(self) -> str:
        """A short name for a table of seeds."""
        return self.title.replace(" ", "-")

    @property
    def place(self) -> str:
        """Where it is made."""
        owner = self.owner.__name__.rpartition(".")[2]
        module = inspect.getmodule(self.owner)
        assert module is not None
        return module.__name__ if inspect.ismodule(self.owner) else f"{module.__name__}.{owner}"

    @contextmanager
    def made(self) -> Iterator[None]:
        """The model has this mistake inside the block."""
        before = vars(self.owner)[self.name]
        setattr(self.owner, self.name, self._mistaken(before))
        try:
            yield
        finally:
            setattr(self.owner, self.name, before)

    def _mistaken(self, before: Any) -> Any:
        if not isinstance(before, FunctionType | property | staticmethod):
            assert repr(before) == self.right, f"{self.place}.{self.name} is {before!r}, not {self.right}"
            return type(before)(self.wrong)
        function = before.fget if isinstance(before, property) else inspect.unwrap(before)
        made = self._rewritten(function)
        return property(made) if isinstance(before, property) else made

    def _rewritten(self, function: Any) -> Any:
        source = dedent(inspect.getsource(function))
        found = source.count(self.right)
        assert found == 1, f"{self.place}.{self.name} has {found} times: {self.right}"
        code = compile(
            source.replace(self.right, self.wrong), f"<{self.key}>", "exec", __future__.annotations.compiler_flag
        )
        made: dict[str, Any] = {}
        exec(code, function.__globals__, made)
        (result,) = made.values()
        return result
