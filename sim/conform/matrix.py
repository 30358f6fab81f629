"""The matrix that a run covers evenly: every seed stands in one cell, neighbouring seeds in neighbouring cells."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

Chunking = Literal["whole", "chunked", "mixed"]
Size = Literal["small", "ample"]

PAGES = (1, 4, 16)
POOLS = ("full",)
"""Kinds of pools; windowed and recurrent ones will stand beside it."""

AXES = ("pools", "page", "overlap", "speculative", "chunking", "radix", "size")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination."""

    pools: str
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
            f"page {self.page}", "overlap" if self.overlap else "plain", "spec" if self.speculative else "",
            self.chunking, "" if self.radix else "no radix", self.size,
        ]  # fmt: skip
        return " · ".join(word for word in words if word)


def _cells() -> tuple[Cell, ...]:
    chunkings: tuple[Chunking, ...] = ("whole", "chunked", "mixed")
    sizes: tuple[Size, ...] = ("small", "ample")
    cells = []
    for pools, page, overlap, speculative, chunking, radix, size in product(
        POOLS, PAGES, (False, True), (False, True), chunkings, (True, False), sizes
    ):
        # The server refuses mixed chunks together with speculation.
        if not (speculative and chunking == "mixed"):
            cells.append(
                Cell(
                    pools=pools, page=page, overlap=overlap, speculative=speculative, chunking=chunking, radix=radix,
                    size=size,
                )
            )  # fmt: skip
    return tuple(cells)


CELLS = _cells()

# Neighbouring seeds should differ in many axes, so that a short run is a fair sample; a step without a
# common factor still visits every cell once in each round.
_STRIDE = 49


def cell_of(seed: int) -> Cell:
    """The cell of a seed."""
    return CELLS[seed * _STRIDE % len(CELLS)]


def shares(seeds: list[int]) -> dict[str, dict[str, int]]:
    """Cases by axis and value."""
    counts: dict[str, dict[str, int]] = {axis: {} for axis in AXES}
    for seed in seeds:
        cell = cell_of(seed)
        for axis in AXES:
            value = str(getattr(cell, axis))
            counts[axis][value] = counts[axis].get(value, 0) + 1
    return counts
