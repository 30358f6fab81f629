"""What a queue order may look at."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sim.memory.backend import Array
from sim.memory.tree import RadixTree


@dataclass(slots=True)
class OrderContext:
    """The tree, the meaning of priorities, and a source of chance."""

    tree: RadixTree
    priority: bool
    sign: int
    random: Random

    def slots(self, count: int) -> Array:
        """Stand-in slots for texts that are compared with each other only."""
        return self.tree.backend.arange(0, count)
