"""The state of a real scheduler between two operations, in the form that all engines share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sim.engines.layout import PAIR_BITS, Layout, NodeLayout, RequestLayout, SlotLayout, StateLayout, path_crc
from sim.engines.protocol import SessionState, Snapshot, Terms
from sim.engines.sglang.events import finish_kind
from sim.engines.sglang.terms import states_of

Slots = tuple[int, ...]


def snapshot_of(scheduler: Any, terms: dict[str, Terms]) -> Snapshot:
    """The sums, and who stands where."""
    last, chunked = scheduler.last_batch, scheduler.chunked_req
    sessions = scheduler.session_controller.sessions
    slots = scheduler.tree_cache.slots
    return Snapshot(
        pools=terms,
        free_rows=len(scheduler.req_to_token_pool.free_slots),
        waiting=tuple([req.rid for req in scheduler.waiting_queue]),
        running=tuple([req.rid for req in scheduler.running_batch.reqs]),
        chunked=None if chunked is None else chunked.rid,
        last_batch=None if last is None else tuple([req.rid for req in last.reqs]),
        sessions=tuple([_session(name, session, slots.get(name)) for name, session in sessions.items()]),
    )


def parked(scheduler: Any) -> Any:
    """The request whose split prompt is in no batch: it found too little memory to go on; None if there is none."""
    chunked, last = scheduler.chunked_req, scheduler.last_batch
    return None if chunked is None or (last is not None and any(req is chunked for req in last.reqs)) else chunked


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
        slot.swa_evicted_seqlen, history, inflight, closing, states_of(slot),
    )  # fmt: skip


# -- index by index ----------------------------------------------------------------------------------------


def layout_of(scheduler: Any) -> Layout:
    """All that the scheduler's memory names."""
    table = scheduler.req_to_token_pool.req_to_token.numpy()
    inner, recurrent = scheduler.tree_cache.inner, scheduler.is_hybrid_ssm
    requests = [_request(table, req, recurrent) for req in _requests(scheduler)]
    requests.sort(key=lambda request: request.rid)
    running = scheduler.running_batch
    nodes = list(_nodes(inner))
    return Layout(
        free=dict(_free(scheduler)),
        free_rows=tuple(scheduler.req_to_token_pool.free_slots),
        requests=tuple(requests),
        slots=tuple(
            [
                SlotLayout(
                    name, slot.req_pool_idx, slot.kv_committed_len, slot.kv_allocated_len, slot.cache_protected_len,
                    slot.swa_evicted_seqlen, _row(table, slot.req_pool_idx, slot.kv_allocated_len),
                    _state(slot) if recurrent else None,
                ) for name, slot in sorted(scheduler.tree_cache.slots.items())
            ]
        ),
        tree=tuple(sorted([layout for _, layout in nodes])),
        ratio=round(float(scheduler.new_token_ratio), 9),
        batch_full=bool(running.batch_is_full),
        forwards=scheduler.forward_ct,
        mapping=_mapping(scheduler),
        recency=_recency(inner, {id(node): layout.path for node, layout in nodes}),
    )  # fmt: skip


def _free(scheduler: Any) -> Iterator[tuple[str, Slots]]:
    """What each pool hands out next."""
    allocator = scheduler.token_to_kv_pool_allocator
    if scheduler.is_hybrid_swa:
        yield "full", _pages(allocator.full_attn_allocator)
        yield "swa", _pages(allocator.swa_attn_allocator)
    else:
        yield "full", _pages(allocator)
    if scheduler.is_hybrid_ssm:
        yield "mamba", tuple(scheduler.req_to_token_pool.mamba_pool.free_slots.tolist())


def _pages(allocator: Any) -> Slots:
    # Through NumPy: of a long free list torch makes numbers three times as slowly.
    free = allocator.free_pages.numpy().tolist()
    if len(allocator.release_pages):
        free += allocator.release_pages.numpy().tolist()
    return tuple(free)


def _mapping(scheduler: Any) -> Slots:
    """Where each full slot has its windowed half; the last entry stands for "nowhere" and never changes."""
    if not scheduler.is_hybrid_swa:
        return ()
    return tuple(scheduler.token_to_kv_pool_allocator.full_to_swa_index_mapping[:-1].tolist())


def _recency(tree: Any, paths: dict[int, int]) -> dict[str, Slots]:
    """The two lists in whose order such a tree gives up its nodes; a node that is in no tree any more has no path."""
    lists = {"full": getattr(tree, "full_lru_list", None)}
    for name in ("swa", "mamba"):
        lists[name] = getattr(tree, f"{name}_lru_list", None)
    found = {}
    for name, nodes in lists.items():
        if nodes is None:
            continue
        order, node = [], getattr(nodes.tail, nodes.prv)
        while node is not nodes.head:
            order.append(paths.get(id(node), -1))
            node = getattr(node, nodes.prv)
        found[name] = tuple(order)
    return found


def _requests(scheduler: Any) -> list[Any]:
    """Each request once, whichever of the places it stands in."""
    reqs = list(scheduler.waiting_queue)
    if scheduler.chunked_req is not None:
        reqs.append(scheduler.chunked_req)
    reqs += scheduler.running_batch.reqs
    if scheduler.last_batch is not None:
        reqs += scheduler.last_batch.reqs
    return list({id(req): req for req in reqs}.values())


def _request(table: Any, req: Any, recurrent: bool) -> RequestLayout:
    row, allocated = req.req_pool_idx, req.kv_allocated_len
    return RequestLayout(
        req.rid, row, req.kv_committed_len, allocated, req.cache_protected_len, req.swa_evicted_seqlen,
        len(req.output_ids), len(req.origin_input_ids), req.is_chunked, req.is_retracted, finish_kind(req),
        _row(table, row, allocated), _state(req) if recurrent else None,
    )  # fmt: skip


def _state(holder: Any) -> StateLayout:
    """Whoever has ended, and any who holds no row nor state, may still name a buffer that is another's by now."""
    slot, row = holder.mamba_pool_idx, holder.req_pool_idx
    if getattr(holder, "finished_reason", None) is not None or (slot is None and row is None):
        return StateLayout(None, (), None, None, None)
    buffer = holder.mamba_ping_pong_track_buffer
    return StateLayout(
        None if slot is None else int(slot), () if buffer is None else tuple(buffer.tolist()),
        holder.mamba_next_track_idx, holder.mamba_last_track_seqlen, holder.mamba_branching_seqlen,
    )  # fmt: skip


def _row(table: Any, row: int | None, stop: int) -> Slots:
    return () if row is None else tuple(table[row, :stop].tolist())


def _nodes(tree: Any) -> Iterator[tuple[Any, NodeLayout]]:
    root = getattr(tree, "root_node", None)
    if root is None:
        return
    stack = [(child, 0, 0) for child in root.children.values()]
    while stack:
        node, above, depth = stack.pop()
        units = _units(node.key)
        path, below = path_crc(above, units), depth + len(units)
        yield node, NodeLayout(path, depth, len(units), *_locked(node))
        stack.extend([(child, path, below) for child in node.children.values()])


def _locked(node: Any) -> tuple[Any, ...]:
    """Locks, slots and what stands in the node of the other half."""
    slots = tuple(node.value.tolist())
    if hasattr(node, "swa_tombstone"):
        return node.full_lock_ref, slots, node.swa_lock_ref, node.swa_tombstone, node.swa_uuid is not None
    if hasattr(node, "mamba_value"):
        state = node.mamba_value
        return node.full_lock_ref, slots, node.mamba_lock_ref, state is None, False, -1 if state is None else int(state)
    return node.lock_ref, slots


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
