"""The one line that a wrong scenario earns: where, what is wrong, what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

_LONGEST = 60


@dataclass(frozen=True, order=True)
class Place:
    """Where something stands in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}:{self.column}"


NOWHERE = Place("<made in memory>", 1, 1)
"""The place of parts that no file has spelled."""


class ScenarioError(ValueError):
    """A scenario that cannot be run; `str()` is exactly one line."""

    def __init__(self, place: Place, what: str, advice: str) -> None:
        super().__init__(f"{place}: {printable(what)}; {printable(advice)}")
        self.place = place
        self.what = what
        self.advice = advice


class ValueProblem(ValueError):
    """A value that cannot be read, before anyone knows where it stands."""

    def __init__(self, what: str, advice: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{what}; {advice}")
        self.what = what
        self.advice = advice
        self.path = path

    def under(self, *path: str | int) -> ValueProblem:
        """The same problem, seen from further outside."""
        return ValueProblem(self.what, self.advice, (*path, *self.path))


def printable(text: str) -> str:
    """The text on one line, with whatever a terminal could stumble over escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: object) -> str:
    """A value as it may be quoted in a message: YAML's spelling, never long."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return f"`{text}`"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if there is one."""
    names = sorted(known)
    found = difflib.get_close_matches(name[:_LONGEST].lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    if found:
        return next(n for n in names if n.lower() == found[0])
    holding = [n for n in names if len(name) > 2 and name.lower() in n.lower()]
    return holding[0] if len(holding) == 1 else None


def one_of(known: Iterable[str], *, most: int = 24) -> str:
    """The names to choose from, as prose."""
    names = list(known)
    shortened = names[:most] + ["…"] * (len(names) > most)
    return ", ".join(shortened) or "nothing"


def choose(name: str, known: Iterable[str], kind: str = "") -> str:
    """Advice on an unknown name: the nearest one, or all there are."""
    names = list(known)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if len(names) == 1:
        return f"write `{names[0]}`"
    return (
        f"write one of {one_of(names)}" if names else f"there is no {kind or 'such name'} here: leave it out"
    )
