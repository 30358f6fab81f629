"""Whoever names a part of a scheduler's memory: requests, sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.ledger.owners import Tag
from sim.ledger.physical import Holder
from sim.scheduler.request import Req
from sim.scheduler.session import SessionSlot

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler
    from sim.scheduler.session import SessionSlot


def requests(scheduler: Scheduler) -> Iterator[Req]:
    """Requests that wait, run or stand in a batch and have not handed on what they own, each once."""
    seen: set[int] = set()
    batches = [b.reqs for b in (scheduler.running, scheduler.last, scheduler.current) if b is not None]
    chunked = [] if scheduler.chunked is None else [scheduler.chunked]
    for req in (*(r for reqs in batches for r in reqs), *chunked, *scheduler.waiting):
        if id(req) not in seen and not req.freed:
            seen.add(id(req))
            yield req


def live_requests(scheduler: Scheduler) -> Iterator[Req]:
    """Those of them that name a row."""
    return (req for req in requests(scheduler) if req.row is not None)


def kept_slots(scheduler: Scheduler) -> Iterator[SessionSlot]:
    """The slots of sessions that are open: what is in any other nobody will ever give back, so it names nothing."""
    sessions = scheduler.controller.sessions
    return (slot for name, slot in scheduler.cache.slots.items() if name in sessions)


def of_rows(scheduler: Scheduler) -> Iterator[Holder]:
    """Every request and slot that names a row.

    A slot names no more than the turn that works on its row: the rest was overwritten when the turn was prefilled.
    """
    width = scheduler.memory.rows.width
    reached: dict[int, int] = {}
    for req in live_requests(scheduler):
        assert req.row is not None
        reached[req.row] = max(req.allocated, reached.get(req.row, 0))
        yield Holder(req.tag, req.row, req.protected, min(req.allocated, width))
    for slot in kept_slots(scheduler):
        if slot.row is not None:
            reach = min(slot.allocated, width, reached.get(slot.row, slot.allocated))
            yield Holder(slot.tag, slot.row, slot.protected, reach)


def of_states(scheduler: Scheduler) -> Iterator[tuple[Tag, tuple[int, ...]]]:
    """Every request and slot that names states, with the states; a request also while it waits without a row.

    A turn that has given its row to its session has given it the states too, whatever it remembers of them.
    """
    for req in requests(scheduler):
        if req.state is not None and req.state.all and not (req.finished and req.row is None):
            yield req.tag, req.state.all
    for slot in kept_slots(scheduler):
        if slot.state is not None and slot.state.all:
            yield slot.tag, slot.state.all
