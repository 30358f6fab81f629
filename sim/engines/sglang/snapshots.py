"""The state of a real scheduler between two operations, in the form that all engines share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sim.engines.layout import PAIR_BITS, Layout, NodeLayout, RequestLayout, SlotLayout, path_crc
from sim.engines.protocol import SessionState, Snapshot, Terms
from sim.engines.sglang.events import finish_kind

Slots = tuple[int, ...]


def snapshot_of(scheduler: Any, terms: Terms) -> Snapshot:
    """The sums, and who stands where."""
    last, chunked = scheduler.last_batch, scheduler.chunked_req
    sessions = scheduler.session_controller.sessions
    slots = scheduler.tree_cache.slots
    return Snapshot(
        pools={"full": terms},
        free_rows=len(scheduler.req_to_token_pool.free_slots),
        waiting=tuple([req.rid for req in scheduler.waiting_queue]),
        running=tuple([req.rid for req in scheduler.running_batch.reqs]),
        chunked=None if chunked is None else chunked.rid,
        last_batch=None if last is None else tuple([req.rid for req in last.reqs]),
        sessions=tuple([_session(name, session, slots.get(name)) for name, session in sessions.items()]),
    )


def _session(name: str, session: Any, slot: Any) -> SessionState:
    history = 0
    for node in session.req_nodes.values():
        req = node.req
        history = len(req.origin_input_ids) + len(req.output_ids[: req.sampling_params.max_new_tokens])
    # 0.5.10 knows neither of the two.
    inflight = getattr(session, "_inflight", False)
    closing = getattr(session, "close_on_finish", False)
    if slot is None:
        return SessionState(name, None, 0, 0, 0, 0, history, inflight, closing)
    return SessionState(
        name, slot.req_pool_idx, slot.kv_committed_len, slot.kv_allocated_len, slot.cache_protected_len,
        slot.swa_evicted_seqlen, history, inflight, closing,
    )  # fmt: skip


# -- index by index ----------------------------------------------------------------------------------------


def layout_of(scheduler: Any) -> Layout:
    """All that the scheduler's memory names."""
    table = scheduler.req_to_token_pool.req_to_token.numpy()
    allocator = scheduler.token_to_kv_pool_allocator
    # Through NumPy: of a long free list torch makes numbers three times as slowly.
    free = allocator.free_pages.numpy().tolist()
    if len(allocator.release_pages):
        free += allocator.release_pages.numpy().tolist()
    requests = [_request(table, req) for req in _requests(scheduler)]
    requests.sort(key=lambda request: request.rid)
    running = scheduler.running_batch
    return Layout(
        free={"full": tuple(free)},
        free_rows=tuple(scheduler.req_to_token_pool.free_slots),
        requests=tuple(requests),
        slots=tuple(
            [
                SlotLayout(
                    name, slot.req_pool_idx, slot.kv_committed_len, slot.kv_allocated_len, slot.cache_protected_len,
                    slot.swa_evicted_seqlen, _row(table, slot.req_pool_idx, slot.kv_allocated_len),
                ) for name, slot in sorted(scheduler.tree_cache.slots.items())
            ]
        ),
        tree=tuple(sorted(_nodes(scheduler.tree_cache.inner))),
        ratio=round(float(scheduler.new_token_ratio), 9),
        batch_full=bool(running.batch_is_full),
        forwards=scheduler.forward_ct,
    )  # fmt: skip


def _requests(scheduler: Any) -> list[Any]:
    """Each request once, whichever of the places it stands in."""
    reqs = list(scheduler.waiting_queue)
    if scheduler.chunked_req is not None:
        reqs.append(scheduler.chunked_req)
    reqs += scheduler.running_batch.reqs
    if scheduler.last_batch is not None:
        reqs += scheduler.last_batch.reqs
    return list({id(req): req for req in reqs}.values())


def _request(table: Any, req: Any) -> RequestLayout:
    row, allocated = req.req_pool_idx, req.kv_allocated_len
    return RequestLayout(
        req.rid, row, req.kv_committed_len, allocated, req.cache_protected_len, req.swa_evicted_seqlen,
        len(req.output_ids), len(req.origin_input_ids), req.is_chunked, req.is_retracted, finish_kind(req),
        _row(table, row, allocated),
    )  # fmt: skip


def _row(table: Any, row: int | None, stop: int) -> Slots:
    return () if row is None else tuple(table[row, :stop].tolist())


def _nodes(tree: Any) -> Iterator[NodeLayout]:
    root = getattr(tree, "root_node", None)
    if root is None:
        return
    stack = [(child, 0, 0) for child in root.children.values()]
    while stack:
        node, above, depth = stack.pop()
        units = _units(node.key)
        path, below = path_crc(above, units), depth + len(units)
        yield NodeLayout(path, depth, len(units), node.lock_ref, tuple(node.value.tolist()))
        stack.extend([(child, path, below) for child in node.children.values()])


def _units(key: Any) -> Any:
    """Token ids, or pairs of neighbours: one release keeps pairs, the next a view of the tokens."""
    tokens = key.token_ids
    if getattr(key, "is_bigram", False):
        if tokens and isinstance(tokens[0], tuple):
            pairs = np.array(tokens, dtype=np.int64)
            return pairs[:, 0] << PAIR_BITS | pairs[:, 1]
        ids = np.array(tokens, dtype=np.int64)
        return ids[:-1] << PAIR_BITS | ids[1:]
    if tokens and isinstance(tokens[0], tuple):
        pairs = np.array(tokens, dtype=np.int64)
        return pairs[:, 0] << PAIR_BITS | pairs[:, 1]
    return np.array(tokens, dtype=np.int64)
