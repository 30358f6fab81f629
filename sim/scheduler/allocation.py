"""Rows and slots for a prefill and for a decode step, and what is raised when there are none.

prefill: rows │ evict to extend (+ a page per request) │ slots │ row := prefix + new slots │ c = a = seq
decode:  evict to one (page) per request │ slots │ row[c] := slot │ c += 1, a += 1
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sim.engines.protocol import EngineCrash
from sim.ledger.owners import FREE
from sim.memory.backend import Array
from sim.memory.kvpool import header_of
from sim.scheduler.batch import Cursor, Lanes
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.streaming import require
from sim.scheduler.table import A, C, ReqTable
from sim.scheduler.tracking import make_room, take_states
from sim.world import Ints, TokenRun

ONE = np.int64(1)


def take_rows(memory: Memory, reqs: list[Req]) -> None:
    """Give each request a row, and its states; those that have one keep it."""
    states = memory.states
    if states is not None and memory.tree.manages_states:
        make_room(memory, states, len(reqs))
    needing = []
    for req in reqs:
        if req.row is None:
            needing.append(req)
        else:
            require(
                req.chunks_pending > 0 or req.committed > 0,
                "reusing request must be chunked or have committed KV",
            )
    rows = memory.rows.take(len(needing))
    if rows is None:
        raise EngineCrash(
            "RuntimeError",
            "alloc_req_slots runs out of memory. Please set a smaller number for `--max-running-requests`. "
            f"req_to_token_pool.available_size()={len(memory.rows.free)}, num_reqs={len(reqs)}, ",
        )
    for req, row in zip(needing, rows, strict=True):
        req.row = row
        memory.rows.posted(row, FREE, req.tag)
        memory.rows.extent[row] = 0
    if states is not None:
        # 0.5.10 has a table of states by row that is as long as the pool of states.
        take_states(states, reqs, states.size if memory.release.base == "0.5.10" else 0)


def out_of_memory(what: str, tokens: int, memory: Memory) -> EngineCrash:
    """What the release raises when admitted work finds no slots."""
    return EngineCrash(
        "RuntimeError", f"{what} Try to lower your batch size.\nTry to allocate {tokens} tokens.\n{_left(memory)}"
    )


def _left(memory: Memory) -> str:
    """What the release says is left."""
    tree, swa = memory.tree, memory.swa
    if swa is None or memory.chunk_cache:
        free, used = memory.allocator.available(), tree.evictable
        if tree.manages_states:
            sizes = f"full_available_size={free} + full_evictable_size={used}"
            return f"Available full tokens: {free + used} ({sizes})\nFull LRU list evictable size: {used}\n"
        return f"Available tokens: {free + used} (available_size={free} + evictable_size={used})\n"
    text = ""
    for name, allocator, used in (
        ("full", memory.allocator.full, tree.evictable), ("swa", swa.allocator, tree.other_evictable),
    ):  # fmt: skip
        free = allocator.available()
        sizes = f"{name}_available_size={free} + {name}_evictable_size={used}"
        text += f"Available {name} tokens: {free + used} ({sizes})\n"
    evictable = f"Full LRU list evictable size: {tree.evictable}\nSWA LRU list evictable size: {tree.other_evictable}\n"
    return text + evictable


def _under(req: Req, live: Iterable[Req]) -> str:
    """Who else works on the row of a request."""
    other = next((r.rid for r in live if r.row == req.row and r is not req), None)
    return "" if other is None else f", while request {other} ran on it"


def alloc_extend(memory: Memory, reqs: list[Req], running: list[Req]) -> list[Array]:
    """Slots for the part of each request that this prefill computes; rows are written; the new slots by request."""
    take_rows(memory, reqs)
    prefix = np.array([len(r.prefix) for r in reqs], dtype=np.int64)
    seq = np.array([r.fill_len for r in reqs], dtype=np.int64)
    tokens = int((seq - prefix).sum())
    page = memory.page_size
    for req in reqs:
        assert req.row is not None
        require(req.fill_len - len(req.prefix) == req.extend_len, "", place="prepare_for_extend")
        memory.ledger.about(req.rid, req.session.name if req.session else None)
        if memory.names_from(req.row, len(req.prefix)):
            what = f"row {req.row} was overwritten from {len(req.prefix)} on"
            memory.lose_names(req.row, len(req.prefix), req.tag, what + _under(req, (*running, *reqs)))
    memory.evict_to(tokens if page == 1 else tokens + len(reqs) * page)
    last = _last_slots(memory, reqs) if page > 1 else np.empty(0, dtype=np.int64)
    tags = np.array([r.tag for r in reqs], dtype=np.int64)
    slots = memory.allocator.alloc_extend(prefix, seq, last, tags)
    if slots is None:
        what = "Out of memory." if page == 1 else "Prefill out of memory."
        raise out_of_memory(what, tokens, memory)
    parts, at = [], 0
    for req in reqs:
        part = slots[at : at + req.fill_len - len(req.prefix)]
        at += len(part)
        assert req.row is not None
        memory.rows.write(req.row, 0, req.prefix)
        memory.rows.write(req.row, len(req.prefix), part)
        parts.append(part)
    return parts


def _last_slots(memory: Memory, reqs: list[Req]) -> Array:
    none = memory.backend.put([-1])
    return memory.backend.cat([r.prefix[-1:] if len(r.prefix) else none for r in reqs])


def alloc_decode(memory: Memory, table: ReqTable, lanes: Lanes) -> Array:
    """One more slot for each request of a decode step."""
    count = len(lanes.index)
    page = memory.page_size
    memory.evict_to(count * page)
    cursor = lanes.cursor
    if cursor is None:
        cursor = lanes.cursor = _cursor(table, lanes)
    committed, where = cursor.committed, memory.backend.put(cursor.where)
    flat = memory.rows.flat
    committed += ONE
    if page == 1:
        slots = memory.allocator.alloc_decode(committed, where, lanes.tags)
    else:
        slots = memory.allocator.alloc_decode(committed, memory.backend.copy(flat[where - 1]), lanes.tags)
    if slots is None:
        what = "Out of memory." if page == 1 else "Decode out of memory."
        raise out_of_memory(what, count, memory)
    if memory.ledger.suspicious:
        _lose_overwritten(memory, lanes, committed - ONE, where)
    flat[where] = slots
    cursor.where += ONE
    cursor.allocated += ONE
    memory.rows.extent[lanes.rows] = committed
    table.hot[C][lanes.index] = committed
    table.hot[A][lanes.index] = cursor.allocated
    if page == 1:
        table.steps += count
    else:
        table.batch_moved()
    return slots


def _lose_overwritten(memory: Memory, lanes: Lanes, at: Ints, where: Array) -> None:
    """Where two live turns share a row, a decode step of one can overwrite what the other has written there."""
    page = memory.page_size
    behind = np.nonzero((memory.rows.extent[lanes.rows] > at) & (at % page == 0))[0]
    for i in behind.tolist():
        slot = memory.backend.copy(memory.rows.flat[where[i : i + 1]])
        what = f"row {lanes.rows[i]} was overwritten at {at[i]} by another turn's decode step"
        memory.orphan(slot, int(lanes.tags[i]), what, if_touched=True)


def _cursor(table: ReqTable, lanes: Lanes) -> Cursor:
    committed = table.hot[C][lanes.index]
    place = header_of(committed, np.int64(0), lanes.writers)
    return Cursor(
        committed=committed, allocated=table.hot[A][lanes.index], where=lanes.row_start + committed,
        tokens=TokenRun(lanes.keys, committed), place=place, header=np.empty_like(place),
    )  # fmt: skip


def alloc_reserve(memory: Memory, table: ReqTable, lanes: Lanes, alloc_len: int, preclaim: int) -> None:
    """Slots ahead for a speculative round under overlap: up to c + 2A, since c lags by at most one round."""
    hot, index = table.hot, lanes.index
    allocated = hot[A][index]
    extra = hot[C][index] + 2 * alloc_len - allocated
    grow(memory, lanes, allocated, extra)
    hot[A][index] = allocated + extra
    hot[C][index] += preclaim
    table.batch_moved()


def draft(memory: Memory, lanes: Lanes, seq: Ints, length: int) -> None:
    """The slots of a v1 draft: taken, written into the rows, and given back at once.

    What was evicted for them stays evicted, and the rows keep naming them beyond what is allocated.
    """
    _extend_rows(memory, lanes, seq, np.full(len(seq), length, dtype=np.int64), lasting=False)


def grow(memory: Memory, lanes: Lanes, start: Ints, extra: Ints) -> Array:
    """Slots for row positions [start, start + extra) of each request; the rows are written."""
    return _extend_rows(memory, lanes, start, extra, lasting=True)


def _extend_rows(memory: Memory, lanes: Lanes, start: Ints, extra: Ints, *, lasting: bool) -> Array:
    page = memory.page_size
    tokens = int(extra.sum())
    memory.evict_to(tokens if page == 1 else tokens + len(start) * page)
    flat, allocator = memory.rows.flat, memory.allocator
    last = start if page == 1 else memory.backend.copy(flat[memory.backend.put(lanes.row_start + start - 1)])
    lists = memory.free_lists
    marks = [free.mark for free in lists]
    slots = allocator.alloc_extend(start, start + extra, last, lanes.tags if lasting else None)
    if slots is None:
        what = "Out of memory." if page == 1 else "Prefill out of memory."
        raise out_of_memory(what, tokens, memory)
    if lasting:
        memory.rows.extent[lanes.rows] = start + extra
    else:
        for free, mark in zip(lists, marks, strict=True):
            free.untake(mark)
    write_rows(memory, lanes, start, extra, slots)
    return slots


def write_rows(memory: Memory, lanes: Lanes, start: Ints, extra: Ints, slots: Array) -> None:
    """Let row positions [start, start + extra) of each request name these slots, one request after the other."""
    flat = memory.rows.flat
    first = np.cumsum(extra) - extra
    offsets = np.arange(len(slots), dtype=np.int64) - np.repeat(first, extra)
    where = np.repeat(lanes.row_start + start, extra) + offsets
    if len(where) and int(where.max()) >= len(flat):
        # As by a pointer: what does not fit into a row runs into the next one, and behind the last row is nothing.
        inside = np.nonzero(where < len(flat))[0]
        where, slots = where[inside], slots[memory.backend.put(inside)]
    flat[memory.backend.put(where)] = slots
