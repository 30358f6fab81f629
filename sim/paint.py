"""Colours on a terminal, and nowhere else; how wide it is."""

from __future__ import annotations

import os
from shutil import get_terminal_size
from typing import Protocol, TextIO


class Paint(Protocol):
    """A text and what it is (good, bad, known, quiet) to the text as it is printed."""

    def __call__(self, text: str, kind: str) -> str:
        """The text in its colour."""


_LEAST = 40
_CODES = {"good": "32", "bad": "1;31", "known": "33", "quiet": "2"}


def plain(text: str, kind: str) -> str:
    """No colour."""
    return text


def coloured(text: str, kind: str) -> str:
    """The text between its codes; what is empty stays so."""
    return f"\x1b[{_CODES[kind]}m{text}\x1b[0m" if text else text


def width_of(stream: TextIO, most: int) -> int:
    """Columns of a terminal, at most so many; of anything else all of them."""
    return max(_LEAST, min(most, get_terminal_size().columns)) if stream.isatty() else most


def paint_for(stream: TextIO) -> Paint:
    """Colours if the stream is a terminal that has them and nobody has asked for none (NO_COLOR)."""
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return coloured if wanted else plain
