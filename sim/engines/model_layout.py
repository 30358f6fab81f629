"""The layout of the model: its free lists, rows, slots and tree, read index by index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sim.engines.layout import Layout, NodeLayout, RequestLayout, SlotLayout, StateLayout, path_crc
from sim.memory.halves import HalvesTree
from sim.memory.states import StateNames
from sim.memory.tree import Node
from sim.scheduler.core import Scheduler
from sim.scheduler.request import Req

Slots = tuple[int, ...]
Read = Callable[[Any], Slots]
_NO_STATE = StateLayout(None, (), None, None, None)


def layout_of(scheduler: Scheduler, *, counting: bool = False) -> Layout:
    """All that the scheduler's memory names; if it is only `counting` that matters, as the arrays that there are."""
    memory, get = scheduler.memory, scheduler.memory.backend.get
    read: Read = get if counting else lambda array: tuple(get(array).tolist())
    requests = [_request(scheduler, req, read) for req in _requests(scheduler)]
    requests.sort(key=lambda request: request.rid)
    nodes = list(_nodes(scheduler, read, named=not counting))
    return Layout(
        free=dict(_free(scheduler, read)),
        free_rows=tuple(memory.rows.free),
        requests=tuple(requests),
        slots=tuple(
            SlotLayout(
                name, slot.row, slot.committed, slot.allocated, slot.protected, slot.evicted,
                _row(scheduler, slot.row, slot.allocated, read),
                _states(slot.state) if memory.states else None,
            ) for name, slot in sorted(scheduler.cache.slots.items())
        ),
        tree=tuple(layout for _, layout in nodes) if counting else tuple(sorted(layout for _, layout in nodes)),
        ratio=round(float(scheduler.ratio), 9),
        batch_full=scheduler.running.full,
        forwards=scheduler.forward_count,
        mapping=_mapping(scheduler, read),
        recency={} if counting else _recency(scheduler, {id(node): layout.path for node, layout in nodes}),
    )  # fmt: skip


def _free(scheduler: Scheduler, read: Read) -> Iterator[tuple[str, Slots]]:
    """What each pool hands out next."""
    memory = scheduler.memory
    yield "full", read(memory.allocator.free_list.view())
    if memory.swa is not None:
        yield "swa", read(memory.swa.allocator.free_list.view())
    if memory.states is not None:
        yield "mamba", read(memory.states.free_list.view())


def _mapping(scheduler: Scheduler, read: Read) -> Slots:
    """Where each full slot has its windowed half; the last entry stands for "nowhere" and never changes."""
    swa = scheduler.memory.swa
    return () if swa is None else read(swa.mapping[:-1])


def _recency(scheduler: Scheduler, paths: dict[int, int]) -> dict[str, Slots]:
    """The two lists in whose order a tree with two halves gives up its nodes."""
    tree = scheduler.memory.tree
    if not isinstance(tree, HalvesTree) or scheduler.memory.chunk_cache:
        return {}
    other = "mamba" if tree.manages_states else "swa"
    return {
        "full": tuple(paths[id(node)] for node in tree.by_use(other=False)),
        other: tuple(paths[id(node)] for node in tree.by_use(other=True)),
    }


def _requests(scheduler: Scheduler) -> list[Req]:
    """Each request once, whichever of the places it stands in."""
    reqs = list(scheduler.waiting)
    if scheduler.chunked is not None:
        reqs.append(scheduler.chunked)
    reqs += scheduler.running.reqs
    if scheduler.last is not None:
        reqs += scheduler.last.reqs
    return list({id(req): req for req in reqs}.values())


def _request(scheduler: Scheduler, req: Req, read: Read) -> RequestLayout:
    row, allocated = req.row, req.allocated
    return RequestLayout(
        req.rid, row, req.committed, allocated, req.protected, req.evicted, req.out, req.prompt_len,
        req.chunks_pending, req.is_retracted, req.finish.kind if req.finish else "",
        _row(scheduler, row, allocated, read),
        None if req.state is None else _state_of(req, req.state),
    )  # fmt: skip


def _state_of(req: Req, names: StateNames) -> StateLayout:
    """Whoever has ended, and any who holds no row nor state, may still name a snapshot that is another's by now."""
    if req.finish is not None or (names.slot is None and req.row is None):
        return _NO_STATE
    return _states(names)


def _states(names: StateNames | None) -> StateLayout:
    if names is None:
        return _NO_STATE
    return StateLayout(names.slot, names.snapshots, names.next, names.tracked, names.branching)


def _row(scheduler: Scheduler, row: int | None, stop: int, read: Read) -> Slots:
    return () if row is None else read(scheduler.memory.rows.array[row, :stop])


def _nodes(scheduler: Scheduler, read: Read, *, named: bool) -> Iterator[tuple[Node, NodeLayout]]:
    """Every node of the tree but the root; each with the hash of its path only where it is `named` by that."""
    stack: list[tuple[Any, int, int]] = [(n, 0, 0) for n in scheduler.memory.tree.root.children.values()]
    while stack:
        node, above, depth = stack.pop()
        path, below = path_crc(above, node.key) if named else 0, depth + len(node.key)
        yield node, NodeLayout(path, depth, len(node.key), node.lock_ref, read(node.value), *_other_half(node))
        stack.extend((child, path, below) for child in node.children.values())


def _other_half(node: Any) -> tuple[int, bool, bool, int] | tuple[()]:
    """What stands in the node of its windowed half or its state."""
    if not hasattr(node, "other_lock"):
        return ()
    state = getattr(node, "state", None)
    return node.other_lock, node.tombstone, getattr(node, "mark", None) is not None, -1 if state is None else state
