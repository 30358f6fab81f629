"""INV-6 over all that is kept: every token, every state that the tree or a session's slot keeps is read.

On a device all of it is read at once; only if some of it is wrong, one text after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.ledger.holders import live_requests
from sim.memory.backend import Array
from sim.memory.tree import PAIR_BITS

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler
    from sim.world import Ints


@dataclass(frozen=True, slots=True)
class Text:
    """What some slots, or their windowed halves, must hold from a position on."""

    rid: str
    session: str | None
    slots: Array
    start: int
    tokens: Ints
    pool: str = "full"


@dataclass(frozen=True, slots=True)
class State:
    """Whose state a slot must hold, and where it stands."""

    slot: int
    owner: int
    position: int


def read_back(scheduler: Scheduler) -> None:
    """Read it; what is wrong goes to the forward pass's list."""
    ledger = scheduler.memory.ledger
    if ledger.journal is None:
        _one_by_one(scheduler)
        return
    off = _at_once(scheduler)
    if off:
        ledger.read(scheduler.memory.backend.joined(off), lambda: _one_by_one(scheduler))
        ledger.settle()


def _one_by_one(scheduler: Scheduler) -> None:
    forward = scheduler.forward
    for what in kept(scheduler):
        if isinstance(what, Text):
            forward.compare(what.rid, what.session, what.slots, what.start, what.tokens, what.pool)
        elif forward.states is not None:
            forward.states.node(what.slot, what.owner, what.position)


def _at_once(scheduler: Scheduler) -> list[Array]:
    """Where anything is wrong, pool by pool, for the device to know."""
    memory, forward, everything = scheduler.memory, scheduler.forward, list(kept(scheduler))
    off = []
    for pool in ("full", "swa"):
        texts = [text for text in everything if isinstance(text, Text) and text.pool == pool and len(text.tokens)]
        if texts:
            positions = np.concatenate([np.arange(t.start, t.start + len(t.tokens)) for t in texts])
            slots, tokens = np.concatenate([t.slots for t in texts]), np.concatenate([t.tokens for t in texts])
            off.append(forward.off(forward.places(slots, pool), positions, tokens, pool)[1])
    states = [state for state in everything if isinstance(state, State)]
    if states and memory.states is not None:
        plain = np.array([(state.slot, state.owner, state.position) for state in states], dtype=np.int64)
        marks = memory.states.marks
        off.append(marks.off(marks.headers[plain[:, 0]], plain[:, 1], plain[:, 2]))
    return off


def kept(scheduler: Scheduler) -> Iterator[Text | State]:
    """All texts and states that are kept, and must be there."""
    yield from _of_tree(scheduler)
    yield from _of_slots(scheduler)


def _of_tree(scheduler: Scheduler) -> Iterator[Text | State]:
    tree, forward, swa = scheduler.memory.tree, scheduler.forward, scheduler.memory.swa
    stack: list[tuple[Any, int]] = [(child, 0) for child in tree.root.children.values()]
    while stack:
        node, depth = stack.pop()
        below = depth + len(node.key)
        tokens = node.key >> PAIR_BITS if tree.pairs else node.key
        yield Text("the tree", None, node.value, depth, tokens)
        if swa is not None and not getattr(node, "tombstone", True):
            yield Text("the tree", None, node.value, depth, tokens, "swa")
        if forward.states is not None and getattr(node, "state", None) is not None:
            yield State(node.state, node.tag, below)
        stack.extend((child, below) for child in node.children.values())


def _of_slots(scheduler: Scheduler) -> Iterator[Text]:
    memory = scheduler.memory
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
        yield Text(turn.rid, name, memory.rows.read(slot.row, start, slot.committed), start, tokens[start:])
        if memory.swa is not None:
            evicted = max(slot.evicted, passed.get(slot.row, 0))
            start = min(max(slot.protected, evicted), slot.committed)
            slots = memory.rows.read(slot.row, start, slot.committed)
            yield Text(turn.rid, name, slots, start, tokens[start:], "swa")
