"""The memory of a real scheduler as it lies there: its free lists, its tree, its rows, read and never asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from sim.engines.sglang.owners import Owners, session_name
from sim.engines.sglang.terms import states_of
from sim.ledger.findings import PoolCount
from sim.ledger.owners import Tag
from sim.ledger.physical import Holder, Ints, Tally, count_rows, tally

_NOTHING = np.empty(0, dtype=np.int64)


class Memory:
    """Reads one scheduler; what it returns are copies."""

    def __init__(self, engine: Any, owners: Owners) -> None:
        scheduler = engine.scheduler
        self.page: int = engine.config.pool.page_size
        self.units: int = engine.config.pool.tokens // self.page
        self.width: int = engine.config.row_width
        self._pool = engine.config.pool
        self._scheduler = scheduler
        self._allocator = scheduler.token_to_kv_pool_allocator
        self._owners = owners
        self._rows = engine.config.pool.rows
        # One release numbers its rows from 0, the next keeps row 0 as padding.
        self._first_row = 0 if engine.modules.old else 1
        self._table = scheduler.req_to_token_pool.req_to_token.numpy()
        # A release that reserves beyond its row names no more than the row.
        self._width = self._table.shape[1]

    def count(self) -> tuple[Tally, PoolCount]:
        """The full pool, page by page, and the rows."""
        holders = self.holders()
        free = [row for row in self._scheduler.req_to_token_pool.free_slots if row >= 0]
        rows = count_rows(self._first_row, self._rows, free, holders)
        return tally(self.page, self.units, self.free(), self.tree(), holders, self._named(holders)), rows

    def others(self) -> dict[str, Tally]:
        """Each pool but the full one: windowed pages through the mapping, states by who names them."""
        found = {}
        if self._pool.swa is not None:
            mapping = self._allocator.full_to_swa_index_mapping.numpy()
            holders, units = self.holders(), self._pool.swa.tokens // self.page
            named = mapping[self._slots(holders)] // self.page
            in_tree = mapping[self._tree_slots()[:: self.page]] // self.page
            free = _listed(self._allocator.swa_attn_allocator)
            found["swa"] = tally(
                self.page, units, _within(free, units), _within(in_tree, units), holders, _within(named, units)
            )
        if self._pool.mamba is not None:
            found["mamba"] = self._states(self._pool.mamba.slots)
        return found

    def _states(self, units: int) -> Tally:
        named = list(self.states())
        holders = [Holder(tag, -1, 0, len(slots)) for tag, slots in named]
        kept = [getattr(node, "mamba_value", None) for node, _ in self.nodes()]
        in_tree = [int(value) for value in kept if value is not None]
        free: Ints = self._scheduler.req_to_token_pool.mamba_pool.free_slots.numpy()
        slots = [slot for _, slots in named for slot in slots]
        return tally(
            1, units, _within(free, units), _within(np.array(in_tree, dtype=np.int64), units), holders,
            _within(np.array(slots, dtype=np.int64), units),
        )  # fmt: skip

    def states(self) -> Iterator[tuple[Tag, tuple[int, ...]]]:
        """Who names states, with the states; a request also while it waits without a row.

        A turn that has given its row to its session has given it the states too, whatever it remembers of them.
        """
        for req in self._everyone():
            named = states_of(req)
            if named and not req.kv_committed_freed and not (req.finished() and req.req_pool_idx is None):
                yield self._owners.request(req), named
        sessions = self._scheduler.session_controller.sessions
        for name, slot in self.slots().items():
            named = states_of(slot)
            if named and name in sessions:
                yield self._owners.slot(name, slot), named

    def free(self) -> Ints:
        """The free list, page by page."""
        return self._within(_listed(getattr(self._allocator, "full_attn_allocator", self._allocator)))

    def nodes(self) -> list[tuple[Any, int]]:
        """The tree's nodes but the root, each with the number of positions above it."""
        root = getattr(self._scheduler.tree_cache.inner, "root_node", None)
        stack = [] if root is None else [(child, 0) for child in root.children.values()]
        found = []
        while stack:
            entry = stack.pop()
            found.append(entry)
            node, depth = entry
            if node.children:
                below = depth + len(node.value)
                stack += [(child, below) for child in node.children.values()]
        return found

    def tree(self) -> Ints:
        """The pages that the tree names; a node begins and ends with a page."""
        slots = self._tree_slots()
        return self._within(slots[:: self.page] // self.page) if len(slots) else _NOTHING

    def _tree_slots(self) -> Ints:
        root = getattr(self._scheduler.tree_cache.inner, "root_node", None)
        stack = [] if root is None else list(root.children.values())
        runs = []
        while stack:
            node = stack.pop()
            runs.append(node.value)
            if node.children:
                stack += node.children.values()
        return torch.cat(runs).numpy() if runs else _NOTHING

    def requests(self) -> list[Any]:
        """Requests that name a row and have not handed it on, each once."""
        return [r for r in self._everyone() if r.req_pool_idx is not None and not r.kv_committed_freed]

    def handing_on(self) -> set[tuple[str, str | None]]:
        """Requests, with their sessions, that hand on their KV and have their row still: the release has died of it."""
        halfway = (r for r in self._everyone() if r.req_pool_idx is not None and r.kv_committed_freed)
        return {(r.rid, session_name(r)) for r in halfway}

    def _everyone(self) -> list[Any]:
        """Requests that wait or stand in a batch, each once."""
        reqs = [*self.at_work(), *self._scheduler.waiting_queue]
        return list({id(r): r for r in reqs}.values())

    def at_work(self) -> list[Any]:
        """Requests that stand in a batch or are prefilled in chunks, as often as they do."""
        scheduler = self._scheduler
        reqs = list(scheduler.running_batch.reqs)
        for batch in (scheduler.last_batch, scheduler.cur_batch):
            if batch is not None:
                reqs += batch.reqs
        if scheduler.chunked_req is not None:
            reqs.append(scheduler.chunked_req)
        return reqs

    def slots(self) -> dict[str, Any]:
        """What sessions hold between turns."""
        slots: dict[str, Any] = self._scheduler.tree_cache.slots
        return slots

    def holders(self) -> list[Holder]:
        """Every request and slot that names a row.

        A slot names no more than the turn that works on its row: the rest was overwritten when the turn was prefilled.
        The slot of a session that is gone names nothing: nobody will ever give back what is in it.
        """
        sessions = self._scheduler.session_controller.sessions
        reached: dict[int, int] = {}
        found = []
        for req in self.requests():
            row, allocated = req.req_pool_idx, req.kv_allocated_len
            reached[row] = max(allocated, reached.get(row, 0))
            stop = min(allocated, self._width)
            found.append(Holder(self._owners.request(req), row, req.cache_protected_len, stop))
        for name, slot in self.slots().items():
            row, allocated = slot.req_pool_idx, slot.kv_allocated_len
            if row is not None and name in sessions:
                reach = min(allocated, self._width, reached.get(row, allocated))
                found.append(Holder(self._owners.slot(name, slot), row, slot.cache_protected_len, reach))
        return found

    def _named(self, holders: Sequence[Holder]) -> Ints:
        """The pages in the rows of these holders, one row behind the other."""
        return self._within(self._slots(holders) // self.page)

    def _slots(self, holders: Sequence[Holder]) -> Ints:
        """What the rows of these holders name, one row behind the other."""
        if not holders:
            return _NOTHING
        return np.concatenate([self._table[holder.row, : holder.stop] for holder in holders]).astype(np.int64)

    def mapped(self, slots: Ints) -> Ints:
        """The windowed slot behind each slot; 0 where there is none."""
        mapping = self._allocator.full_to_swa_index_mapping.numpy()
        found: Ints = mapping[np.clip(slots, 0, len(mapping) - 2)]
        return found

    def passed(self, row: int) -> int:
        """How far the window has freed on a row that somebody works on."""
        return max((req.swa_evicted_seqlen for req in self.requests() if req.req_pool_idx == row), default=0)

    def windowed(self, holder: Any) -> int:
        """The windowed slots behind the private part of a row, in whole pages."""
        if holder.req_pool_idx is None:
            return 0
        mapping = self._allocator.full_to_swa_index_mapping.numpy()
        slots = mapping[self.row(holder.req_pool_idx, holder.cache_protected_len, holder.kv_allocated_len)]
        return len(np.unique(slots[slots > 0] // self.page)) * self.page

    def rows_free(self) -> set[int]:
        """Rows in the free list."""
        return set(self._scheduler.req_to_token_pool.free_slots)

    def rows_free_twice(self) -> set[int]:
        """Rows that stand in the free list more than once."""
        free = self._scheduler.req_to_token_pool.free_slots
        if len(set(free)) == len(free):
            return set()
        return {row for row, count in Counter(free).items() if count > 1}

    def row(self, row: int, start: int, stop: int) -> Ints:
        """The slots that a row names."""
        slots: Ints = self._table[row, start:stop].astype(np.int64)
        return slots

    def at(self, rows: Ints, positions: Ints) -> Ints:
        """The slot that each row names at each position; positions beyond the row are its last one."""
        slots: Ints = self._table[rows, np.minimum(positions, self._table.shape[1] - 1)].astype(np.int64)
        return slots

    def _within(self, units: Ints) -> Ints:
        return _within(units, self.units)


def _within(units: Ints, most: int) -> Ints:
    """A number that is no page of a pool counts as padding: it names nothing."""
    if not len(units) or (units.min() >= 0 and units.max() <= most):
        return units
    return np.where((units < 0) | (units > most), 0, units)


def _listed(allocator: Any) -> Ints:
    """The free list of one allocator of the release."""
    free: Ints = allocator.free_pages.numpy()
    if len(allocator.release_pages):
        free = np.concatenate((free, allocator.release_pages.numpy()))
    return free
