"""INV-7: nodes of the tree that are locked more, or less, often than live requests and slots hold them.

full half      the whole path from the node that somebody holds up to the root
windowed half  from that node up to the one that bears the holder's mark, or to the root without one
state          that node alone, if it has one

A request that waits holds nothing: where it was last matched is where it may begin once it is let in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sim.ledger.findings import Breach
from sim.ledger.holders import live_requests
from sim.memory.tree import Node
from sim.scheduler.request import Req
from sim.scheduler.session import SessionSlot

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


def lock_breaches(scheduler: Scheduler) -> list[Breach]:
    """One for each half of a node whose count is not that of its holders."""
    memory = scheduler.memory
    if memory.chunk_cache or memory.tree.disabled:
        return []
    waiting = set(map(id, scheduler.waiting))
    running = (req for req in live_requests(scheduler) if id(req) not in waiting)
    holders: list[Req | SessionSlot] = [*running, *scheduler.cache.slots.values()]
    nodes = list(memory.tree.nodes())
    found = list(_compared(nodes, "lock_ref", Counter(id(n) for h in holders for n in _path(h)), "full"))
    if memory.swa is not None:
        held = Counter(id(n) for h in holders for n in _windowed(h))
        found += _compared(nodes, "other_lock", held, "swa")
    elif memory.tree.manages_states:
        held = Counter(id(h.last_node) for h in holders if getattr(h.last_node, "state", None) is not None)
        found += _compared(nodes, "other_lock", held, "mamba")
    return found


def _compared(nodes: list[Any], name: str, held: Counter[int], pool: str) -> Iterator[Breach]:
    for node in nodes:
        locks = getattr(node, name)
        if locks != held[id(node)]:
            half = "" if pool == "full" else f" of {pool}"
            what = f"a node of {len(node.key)} tokens has lock_ref{half} {locks}, but {held[id(node)]} hold it"
            yield Breach("INV-7", what, what, None, None, 1, pool)


def _path(holder: Req | SessionSlot) -> Iterator[Node]:
    node = holder.last_node if isinstance(holder.last_node, Node) else None
    while node is not None:
        yield node
        node = node.parent


def _windowed(holder: Req | SessionSlot) -> Iterator[Node]:
    for node in _path(holder):
        if node.parent is None:
            return
        yield node
        if holder.mark is not None and getattr(node, "mark", None) == holder.mark:
            return
