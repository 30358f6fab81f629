"""What a release raises, as a result: kind, message, and the last places in its code."""

from __future__ import annotations

import os
import traceback

from sim.engines.protocol import EngineCrash
from sim.engines.sglang.quiet import QUIET

_FRAMES = 3
_LONGEST = 1000


def crash_of(error: Exception) -> EngineCrash | None:
    """The crash of the release that this error is; None if it is a fault of ours.

    Of ours it is where none of the release's code ran, or where it misses what its constructor would have set.
    """
    if isinstance(error, AttributeError) and str(error).startswith(f"'{QUIET}' object"):
        return None
    mark = f"{os.sep}sglang{os.sep}srt{os.sep}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if mark in f.filename]
    if not frames:
        return None
    places = [f"{f.filename.rsplit(mark, 1)[1]}:{f.lineno} {f.name}" for f in frames[-_FRAMES:]]
    return EngineCrash(type(error).__name__, plain(str(error)), places)


def plain(text: str) -> str:
    """What a release says, fit to be shown: no control characters but the end of a line, and not without end."""
    shown = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + " …"
