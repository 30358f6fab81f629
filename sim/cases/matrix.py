"""The matrix that a run covers evenly: every seed stands in one cell, neighbouring seeds in neighbouring cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import gcd
from typing import Literal, get_args

Chunking = Literal["whole", "chunked", "mixed"]
Size = Literal["small", "ample"]
Pools = Literal["full", "swa", "no_buffer", "extra_buffer", "both"]
"""Windowed layers, recurrent ones with either strategy, and a model that has both."""

PAGES = (1, 4, 16)
KINDS: tuple[Pools, ...] = get_args(Pools)
"""All of them, which a run covers unless it is told otherwise."""

AXES = ("pools", "page", "overlap", "speculative", "chunking", "radix", "size")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination."""

    pools: Pools
    page: int
    overlap: bool
    speculative: bool
    chunking: Chunking
    radix: bool
    size: Size

    @property
    def name(self) -> str:
        """Short words, as in a table."""
        words = [
            "" if self.pools == "full" else self.pools, f"page {self.page}", "overlap" if self.overlap else "plain",
            "spec" if self.speculative else "", self.chunking, "" if self.radix else "no radix", self.size,
        ]  # fmt: skip
        return " · ".join(word for word in words if word)

    @property
    def windowed(self) -> bool:
        """Whether there are layers that look back a window only."""
        return self.pools in ("swa", "both")

    @property
    def recurrent(self) -> bool:
        """Whether there are states."""
        return self.pools in ("no_buffer", "extra_buffer", "both")

    @property
    def strategies(self) -> tuple[Literal["no_buffer", "extra_buffer"], ...]:
        """How states may be kept here: what the server accepts."""
        plain = not self.radix or (self.page == 1 and (self.speculative or not self.overlap))
        # Without a tree of its own such a model has the chunk cache, or else a switched-off tree of one-token pages.
        if self.pools == "no_buffer" and not self.radix and self.chunking == "whole":
            plain = self.page == 1
        buffered = self.radix
        return (*(("no_buffer",) if plain else ()), *(("extra_buffer",) if buffered else ()))

    @property
    def accepted(self) -> bool:
        """Whether a server would start like this."""
        if self.speculative and self.chunking == "mixed":
            return False
        if self.pools in ("no_buffer", "extra_buffer"):
            return self.pools in self.strategies
        return True


@cache
def cells(pools: tuple[Pools, ...] = KINDS) -> tuple[Cell, ...]:
    """All that a server accepts, with these kinds of pools."""
    chunkings: tuple[Chunking, ...] = ("whole", "chunked", "mixed")
    sizes: tuple[Size, ...] = ("small", "ample")
    flags = (False, True)
    every = (
        Cell(
            pools=kind, page=page, overlap=overlap, speculative=speculative, chunking=chunking, radix=radix, size=size,
        )
        for kind, page, overlap, speculative, chunking, radix, size in product(
            pools, PAGES, flags, flags, chunkings, (True, False), sizes
        )
    )  # fmt: skip
    return tuple(cell for cell in every if cell.accepted)


CELLS = cells()

# Neighbouring seeds should differ in many axes, so that a short run is a fair sample; a step without a
# common factor still visits every cell once in each round.
_STRIDE = 49


@cache
def _stride(count: int) -> int:
    return next(step for step in range(_STRIDE, _STRIDE + count) if gcd(step, count) == 1)


def cell_of(seed: int, pools: tuple[Pools, ...] = KINDS) -> Cell:
    """The cell of a seed, in the matrix of these pools."""
    known = cells(pools)
    return known[seed * _stride(len(known)) % len(known)]


def shares(drawn: Iterable[Cell]) -> dict[str, dict[str, int]]:
    """Cases by axis and value."""
    counts: dict[str, dict[str, int]] = {axis: {} for axis in AXES}
    for cell in drawn:
        for axis in AXES:
            value = str(getattr(cell, axis))
            counts[axis][value] = counts[axis].get(value, 0) + 1
    return counts
