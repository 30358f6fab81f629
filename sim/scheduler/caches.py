"""Which prefix cache stands behind the sessions: it follows from the tree that the pools ask for."""

from __future__ import annotations

from sim.memory.mamba_tree import MambaTree
from sim.memory.swa_tree import SwaTree
from sim.scheduler.cache import PrefixCache
from sim.scheduler.mamba_cache import MambaCache
from sim.scheduler.memory import Memory
from sim.scheduler.swa_cache import SwaCache


def prefix_cache(memory: Memory) -> PrefixCache:
    """The cache of this memory."""
    tree = memory.tree
    if isinstance(tree, MambaTree) and memory.states is not None:
        return MambaCache(memory, tree, memory.states)
    return SwaCache(memory) if isinstance(tree, SwaTree) else PrefixCache(memory)
