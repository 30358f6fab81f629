"""For want of which pool a release has raised, by what it says.

What it says is left is left after it has tried: where one half had already given, the other may still look larger.
"""

from __future__ import annotations

import re

_SAYS = {
    "Can not alloc mamba": "mamba",
    "Not enough space for mamba": "mamba",
    "alloc_req_slots runs out of memory": "rows",
}
_LEFT = re.compile(r"(full|swa)_available_size=(-?\d+)")


def short_of(message: str) -> str | None:
    """The pool that had nothing left, of two halves the one with less; None if that is not what a crash is about."""
    for words, pool in _SAYS.items():
        if words in message:
            return pool
    if "ut of memory" not in message:
        return None
    left = {pool: int(slots) for pool, slots in _LEFT.findall(message)}
    return min(("full", "swa"), key=lambda pool: left.get(pool, 0)) if len(left) == 2 else "full"
