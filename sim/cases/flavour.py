"""What kind of case a seed draws, decided before anything else."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sim.cases.matrix import Cell


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """`careful` leaves room so that no queue waits for ever; `pressure` wants the pool to run out while decoding;
    `repeating` sends the same few prompts again and again.
    """

    careful: bool
    pressure: bool
    repeating: bool
    tick: float


def draw_flavour(cell: Cell, random: Random) -> Flavour:
    """The flavour of one case."""
    return Flavour(
        careful=random.random() < 0.8, pressure=cell.size == "small" and random.random() < 0.4,
        repeating=cell.radix and random.random() < 0.4, tick=random.choice([0.01, 0.01, 0.05, 0.25]),
    )  # fmt: skip
