"""What a queue order may look at."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sim.memory.backend import Array
from sim.memory.mamba_tree import MambaTree
from sim.memory.tree import RadixTree
from sim.scheduler.request import Req
from sim.world import Ints


@dataclass(slots=True)
class OrderContext:
    """The tree, the meaning of priorities, and a source of chance.

    `notes_branching`: whether a match for the order tells a request where a prefix goes on without a state (0.5.11).
    """

    tree: RadixTree
    priority: bool
    sign: int
    random: Random

    notes_branching: bool = False

    def match(self, req: Req) -> Ints:
        """Find a waiting request's cached prefix; its text. A session's slot is never looked at."""
        tokens = req.tokens(req.seqlen)
        if not isinstance(self.tree, MambaTree):
            req.prefix, req.last_node = self.tree.match(tokens)
            return tokens
        found = self.tree.find(self.tree.units(tokens))
        req.prefix, req.last_node = found.slots, found.node
        branching = self.tree.states.branching(found.raw, len(found.slots))
        if self.notes_branching and branching is not None and req.state is not None:
            req.state.branching = branching
        return tokens

    def slots(self, count: int) -> Array:
        """Stand-in slots for texts that are compared with each other only."""
        return self.tree.backend.arange(0, count)
