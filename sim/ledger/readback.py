"""INV-6 over all that is kept: every token, every state that the tree or a session's slot keeps is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.ledger.holders import live_requests
from sim.memory.tree import PAIR_BITS

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


def read_back(scheduler: Scheduler) -> None:
    """Read it; what is wrong goes to the forward pass's list."""
    _read_tree(scheduler)
    _read_slots(scheduler)
    scheduler.memory.ledger.settle()


def _read_tree(scheduler: Scheduler) -> None:
    tree, forward, swa = scheduler.memory.tree, scheduler.forward, scheduler.memory.swa
    stack: list[tuple[Any, int]] = [(child, 0) for child in tree.root.children.values()]
    while stack:
        node, depth = stack.pop()
        below = depth + len(node.key)
        tokens = node.key >> PAIR_BITS if tree.pairs else node.key
        forward.compare("the tree", None, node.value, depth, tokens)
        if swa is not None and not getattr(node, "tombstone", True):
            forward.compare("the tree", None, node.value, depth, tokens, "swa")
        if forward.states is not None and getattr(node, "state", None) is not None:
            forward.states.node(node.state, node.tag, below)
        stack.extend((child, below) for child in node.children.values())


def _read_slots(scheduler: Scheduler) -> None:
    memory, forward = scheduler.memory, scheduler.forward
    # A turn that works on the row of its session moves the window on.
    passed = {req.row: req.evicted for req in live_requests(scheduler)}
    for name, slot in scheduler.cache.slots.items():
        session = scheduler.controller.sessions.get(name)
        turn = session.node if session is not None else None
        if slot.row is None or turn is None or not turn.finished:
            continue
        if not slot.protected <= slot.committed <= slot.allocated:
            continue
        tokens = turn.tokens(slot.committed)
        start = slot.protected
        forward.compare(turn.rid, name, memory.rows.read(slot.row, start, slot.committed), start, tokens[start:])
        if memory.swa is not None:
            evicted = max(slot.evicted, passed.get(slot.row, 0))
            start = min(max(slot.protected, evicted), slot.committed)
            slots = memory.rows.read(slot.row, start, slot.committed)
            forward.compare(turn.rid, name, slots, start, tokens[start:], "swa")
