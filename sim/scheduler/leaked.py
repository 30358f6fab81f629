"""The slots that a recurrent model's idle check lists when its books do not come out.

What stands neither in a free list nor in the tree is printed as leaked, also what sessions hold and what is in use;
of the states the first number is the padding's, and the last is left out. In pages the list is of no use: it compares
page numbers with slot numbers. The order is that of a set of numbers, as printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.scheduler.memory import Memory


def leaked_sets(memory: Memory) -> tuple[set[int] | None, set[int] | None]:
    """Full slots and state slots; None for no slot."""
    states, get = memory.states, memory.backend.get
    assert states is not None
    nodes = list(memory.tree.nodes())
    cached = {slot for node in nodes for slot in get(node.value).tolist()}
    full = set(range(1, memory.total + 1)) - set(get(memory.allocator.free_list.view()).tolist()) - cached
    kept = {node.state for node in nodes if node.state is not None}
    lost = set(range(states.size)) - set(get(states.free_list.view()).tolist()) - kept
    return full or None, lost or None
