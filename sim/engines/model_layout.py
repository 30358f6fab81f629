"""The layout of the model: its free lists, rows, slots and tree, read index by index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.engines.layout import Layout, NodeLayout, RequestLayout, SlotLayout, path_crc
from sim.memory.tree import Node
from sim.scheduler.core import Scheduler
from sim.scheduler.request import Req

Slots = tuple[int, ...]


def layout_of(scheduler: Scheduler) -> Layout:
    """All that the scheduler's memory names."""
    memory = scheduler.memory
    requests = [_request(scheduler, req) for req in _requests(scheduler)]
    requests.sort(key=lambda request: request.rid)
    slots = scheduler.cache.slots
    return Layout(
        free={"full": _plain(scheduler, memory.allocator.free_list.view())},
        free_rows=tuple(memory.rows.free),
        requests=tuple(requests),
        slots=tuple(
            SlotLayout(
                name, slot.row, slot.committed, slot.allocated, slot.protected, slot.evicted,
                _row(scheduler, slot.row, slot.allocated),
            ) for name, slot in sorted(slots.items())
        ),
        tree=tuple(sorted(_nodes(scheduler))),
        ratio=round(float(scheduler.ratio), 9),
        batch_full=scheduler.running.full,
        forwards=scheduler.forward_count,
    )  # fmt: skip


def _requests(scheduler: Scheduler) -> list[Req]:
    """Each request once, whichever of the places it stands in."""
    reqs = list(scheduler.waiting)
    if scheduler.chunked is not None:
        reqs.append(scheduler.chunked)
    reqs += scheduler.running.reqs
    if scheduler.last is not None:
        reqs += scheduler.last.reqs
    return list({id(req): req for req in reqs}.values())


def _request(scheduler: Scheduler, req: Req) -> RequestLayout:
    row, allocated = req.row, req.allocated
    return RequestLayout(
        req.rid, row, req.committed, allocated, req.protected, 0, req.out, req.prompt_len, req.chunks_pending,
        req.is_retracted, req.finish.kind if req.finish else "", _row(scheduler, row, allocated),
    )  # fmt: skip


def _row(scheduler: Scheduler, row: int | None, stop: int) -> Slots:
    return () if row is None else _plain(scheduler, scheduler.memory.rows.array[row, :stop])


def _nodes(scheduler: Scheduler) -> Iterator[NodeLayout]:
    stack: list[tuple[Node, int, int]] = [(n, 0, 0) for n in scheduler.memory.tree.root.children.values()]
    while stack:
        node, above, depth = stack.pop()
        path, below = path_crc(above, node.key), depth + len(node.key)
        yield NodeLayout(path, depth, len(node.key), node.lock_ref, _plain(scheduler, node.value))
        stack.extend((child, path, below) for child in node.children.values())


def _plain(scheduler: Scheduler, array: Any) -> Slots:
    return tuple(scheduler.memory.backend.get(array).tolist())
