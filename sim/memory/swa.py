"""Two halves of one slot: full layers keep every token, windowed layers the last ones only.

    full slot ── mapping ──▶ swa slot        0: the windowed half was given back, or was never taken

Both halves have the same page size. Taking takes both and writes the mapping; `free` gives both back; `free_swa` gives
back the windowed half alone and clears the mapping of exactly the slots it was given, although a page goes back whole:
entries of the same page that were not given keep naming it. What a v1 draft took and gave back stays written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from sim.engines.protocol import EngineCrash
from sim.ledger.owners import FREE, OwnerTags, Tag, TagPool
from sim.memory.allocator import Ints, PagedAllocator, TokenAllocator
from sim.memory.backend import Array, Backend
from sim.memory.freelist import FreeList
from sim.memory.kvpool import KVPool

Half: TypeAlias = "TokenAllocator | PagedAllocator"


@dataclass(kw_only=True)
class SwaPool:
    """The windowed half of a pool: its allocator, its KV, and what names it."""

    backend: Backend
    allocator: Half
    mapping: Array
    mapping_tensor: torch.Tensor
    window: int
    multiplier: float
    total: int
    kv: KVPool

    def live(self, slots: Array) -> Array:
        """The windowed halves of those of these full slots that have one."""
        halves = self.mapping[slots]
        return halves[halves > 0]

    def units(self, slots: Array) -> Array:
        """The pages of the windowed halves of whole pages of full slots, each once."""
        size = self.allocator.page_size
        return self.live(slots) if size == 1 else self.live(slots[::size]) // size

    def post(self, slots: Array, src: OwnerTags, dst: OwnerTags, op: str) -> None:
        """Tell the ledger that the windowed halves of whole pages of full slots change hands."""
        units = self.units(slots)
        if len(units):
            self.allocator.owners.move(units, src, dst, op)

    def orphan(self, slots: Array, owner: Tag, what: str, *, if_touched: bool = False) -> None:
        """The last names of these full slots go away, and with them their windowed halves."""
        units = self.live(slots) // self.allocator.page_size
        self.allocator.owners.orphan(units, owner, what, if_touched=if_touched)


def make_mapping(backend: Backend, size: int, page_size: int) -> tuple[torch.Tensor, Array]:
    """No slot has a windowed half yet; the last entry maps "no last slot" to itself."""
    tensor, mapping = backend.twin(size + page_size + 1)
    mapping[-1] = -1
    return tensor, mapping


class SwaAllocator:
    """Takes and gives back both halves at once.

    `spare_pages`: a prefill is refused unless its tokens and one page per request are free, whatever it really needs.
    """

    def __init__(self, full: Half, pool: SwaPool, *, spare_pages: bool) -> None:
        self.full = full
        self.half = pool.allocator
        self.pool = pool
        self.size = full.size
        self.page_size = full.page_size
        self._spare_pages = spare_pages
        self._lists = full.free_list, pool.allocator.free_list
        self._backend = pool.backend
        self._open = False
        self._held: list[Array] = []

    @property
    def owners(self) -> TagPool:
        """The owners of the full half."""
        return self.full.owners

    @property
    def free_list(self) -> FreeList:
        """The free list of the full half."""
        return self.full.free_list

    def available(self) -> int:
        """Free tokens of the half that has fewer."""
        # Asked for several times in every decode step.
        full, half = self._lists
        return (full.count if full.count < half.count else half.count) * self.page_size

    # -- taking -------------------------------------------------------------------------------------------

    def alloc_extend(self, prefix: Ints, seq: Ints, last: Array, owners: OwnerTags | None) -> Array | None:
        """Slots for positions [prefix, seq) of each request, in both halves."""
        if self.available() < self._needed(prefix, seq):
            return None
        last_half = last if self.page_size == 1 else self.pool.mapping[last]
        full = self.full.alloc_extend(prefix, seq, last, owners)
        half = self.half.alloc_extend(prefix, seq, last_half, owners)
        return self._map(full, half)

    def _needed(self, prefix: Ints, seq: Ints) -> int:
        page = self.page_size
        if page == 1 or self._spare_pages:
            return int((seq - prefix).sum()) + (0 if page == 1 else len(seq) * page)
        fresh = (seq + (page - 1)) // page - (prefix + (page - 1)) // page
        return int(fresh.sum()) * page

    def alloc_decode(self, seq: Ints, last: Array, owners: OwnerTags) -> Array | None:
        """One slot for position seq−1 of each request, in both halves."""
        if self.page_size == 1:
            if self.available() < len(seq):
                return None
            return self._map(
                self.full.alloc_decode(seq, last, owners), self.half.alloc_decode(seq, last, owners)
            )
        half_last = self.pool.mapping[last]
        return self._map(
            self.full.alloc_decode(seq, last, owners), self.half.alloc_decode(seq, half_last, owners)
        )

    def _map(self, full: Array | None, half: Array | None) -> Array | None:
        if full is None or half is None:
            return None
        self.pool.mapping[full] = half
        return full

    # -- giving back --------------------------------------------------------------------------------------

    def free(self, slots: Array, owner: Tag) -> None:
        """Both halves of these slots (or of the whole pages that hold them)."""
        if not len(slots):
            return
        self.full.free(slots, owner)
        if self._open:
            # The ledger is told at once: rows that named these slots are handed back before the group ends.
            self._held.append(slots)
            self.half.owners.move(self._halves(slots), owner, FREE, "free", group=True)
        else:
            self.free_swa(slots, owner)
        self._not_overfull()

    def free_swa(self, slots: Array, owner: Tag) -> None:
        """The windowed halves of these slots only."""
        self.half.free(self.pool.live(slots), owner)
        self.pool.mapping[slots] = 0

    def free_swa_each(self, slots: Array, tags: Ints, turn: Ints) -> None:
        """As `free_swa` for one request after the other: each slot with its owner, and whose turn it is.

        No slot may be given twice: each reads the mapping as the one before it has left it.
        """
        halves = self.pool.mapping[slots]
        live = np.nonzero(halves > 0)[0]
        units, tags = halves[live], tags[live]
        if self.page_size == 1:
            self.half.owners.move(units, tags, FREE, "free")
            self.half.free_list.put_back(units)
        else:
            # Whole pages go to the front, sorted, so those of the last request are the first.
            units, turn = units // self.page_size, turn[live]
            _, first = np.unique((turn.max(initial=0) - turn) * (1 + self.half.size) + units, return_index=True)
            self.half.owners.move(units[first], tags[first], FREE, "free")
            self.half.free_list.put_front(units[first])
        self.pool.mapping[slots] = 0

    def _not_overfull(self) -> None:
        if self.full.available() > self.full.size or self.half.available() > self.half.size:
            raise EngineCrash("AssertionError", "", ("free",))

    def group_begin(self) -> None:
        """Collect frees from here on."""
        self._open = True
        self._held = []
        self.full.group_begin()

    def group_end(self) -> None:
        """Carry out the collected frees at once; which halves go back is read only now."""
        self._open = False
        held, self._held = self._held, []
        self.full.group_end()
        if not held:
            return
        slots = self._backend.cat(held)
        units, free = self._halves(slots), self.half.free_list
        if self.page_size == 1:
            free.put_back(units)
        else:
            free.put_front(units)
        self.half.owners.group_closed()
        self.pool.mapping[slots] = 0
        self._not_overfull()

    def _halves(self, slots: Array) -> Array:
        """The units of the windowed halves as they go back: slots one by one, pages sorted and once each."""
        live = self.pool.live(slots)
        return live if self.page_size == 1 else self._backend.unique(live // self.page_size)

