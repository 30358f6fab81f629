"""Lines about batches: most of what a server prints, and nearly all of them in the form of the one before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_BATCH = re.compile(r"(Prefill|Decode) batch\b")
_MOST_SHAPES = 16
_LONGEST = 1000
_REST = rb"[^,\[\x1b\r]*"
"""A value that nobody asks for; brackets and colours may be a second record, or none of a batch."""
_USED = {"#token": "full", "#full token": "full", "#swa token": "swa", "mamba num": "mamba"}
_USAGE = ("token usage", "full token usage")
_NEW, _RUNNING, _WAITING = "#new-seq", "#running-req", "#queue-req"
_ASKED = frozenset((_NEW, _RUNNING, _WAITING, *_USAGE, *_USED))


class Batch(NamedTuple):
    """A line about a batch: what is in use by pool, or a share of the pool where it only states that."""

    decode: bool
    new: int
    used: dict[str, float]
    usage: float | None
    running: float
    waiting: float


def batch_of(text: str) -> Batch | None:
    """A batch line, if it is one; a figure that it does not state, or that is no number, is left out."""
    found = _BATCH.search(text)
    if found is None:
        return None
    values = {part[0]: part[1] for part in _parts(text[found.end() :]) if len(part) == 2}
    names = tuple(name for name in values if name in _ASKED and _NUMBER.fullmatch(values[name]))
    return _Asked.of(found[1] == "Decode", names).batch([float(values[name]) for name in names])


class _Asked(NamedTuple):
    """Where the figures of a line stand in the row of all that it states."""

    decode: bool
    new: int | None
    used: tuple[tuple[str, int], ...]
    usage: int | None
    running: int | None
    waiting: int | None

    @classmethod
    def of(cls, decode: bool, names: Sequence[str]) -> _Asked:
        """For a line that states these, in this order."""
        at = {name: place for place, name in enumerate(names)}
        used = tuple((pool, at[name]) for name, pool in _USED.items() if name in at)
        usage = next((at[name] for name in _USAGE if name in at), None)
        return cls(decode, at.get(_NEW), used, usage, at.get(_RUNNING), at.get(_WAITING))

    def batch(self, row: Sequence[float]) -> Batch:
        """The line that states them."""
        decode, new, used, usage, running, waiting = self
        return Batch(
            decode,
            0 if new is None else int(row[new]),
            {pool: row[at] for pool, at in used},
            None if usage is None else row[usage],
            0.0 if running is None else row[running],
            0.0 if waiting is None else row[waiting],
        )


class Shapes:
    """The forms of batch lines that a log has shown; a line in one of them needs no more than one match."""

    def __init__(self) -> None:
        self._known: list[tuple[re.Pattern[bytes], _Asked]] = []

    def of(self, text: bytes, start: int) -> Batch | None:
        """The batch line that begins there and goes to the end of the text, if it has a known form."""
        for pattern, asked in self._known:
            found = pattern.match(text, start)
            if found is not None:
                return asked.batch([float(figure) for figure in found.groups()])
        return None

    def learn(self, text: str) -> None:
        """The form of a batch line that was read part by part."""
        found = _BATCH.match(text)
        if found is None or len(text) > _LONGEST or len(self._known) >= _MOST_SHAPES:
            return
        _, *parts = _parts(text[found.end() :])
        names = [part[0] for part in parts]
        if any(len(part) != 2 for part in parts) or len(set(names)) < len(names):
            return
        asked = tuple(name for name in names if name in _ASKED)
        values = (
            re.escape(name.encode()) + rb": " + (rb"(-?\d{1,15}(?:\.\d{1,9})?)" if name in asked else _REST)
            for name in names
        )
        head = found[0].encode() + rb"(?: \[\d{1,15}\])?"
        pattern = re.compile(rb", ".join((head, *values)) + rb"\r?\Z")
        self._known.append((pattern, _Asked.of(found[1] == "Decode", asked)))


def _parts(text: str) -> list[list[str]]:
    """What stands between commas: name and value, or words."""
    return [part.split(": ", 1) for part in text.split(", ")]
