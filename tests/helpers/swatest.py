"""Pools of two halves made by hand, and a plain-Python model of their allocator to compare with."""

from __future__ import annotations

from typing import Any

from helpers.kvtest import ListAllocator

from sim.ledger.owners import Ledger, TagPool
from sim.memory.allocator import make_allocator
from sim.memory.backend import backend
from sim.memory.kvpool import KVPool
from sim.memory.presets import PRESETS
from sim.memory.swa import SwaAllocator, SwaPool, make_mapping
from sim.memory.swa_tree import SwaTree


def halves_of(
    full: int, swa: int, page_size: int = 1, *, window: int = 8, spare_pages: bool = False, device: str = "cpu"
) -> SwaAllocator:
    """Both halves and the mapping between them."""
    ledger, place = Ledger(), backend(device)
    sizes = {"full": full, "swa": swa}
    pools = {name: TagPool(ledger, place, name, size // page_size, page_size) for name, size in sizes.items()}
    tensor, mapping = make_mapping(place, full, page_size)
    pool = SwaPool(
        backend=place, allocator=make_allocator(place, swa, page_size, pools["swa"]), mapping=mapping,
        mapping_tensor=tensor, window=window, multiplier=1.0, total=swa,
        kv=KVPool(place, swa + page_size, PRESETS["tiny"]),
    )  # fmt: skip
    return SwaAllocator(make_allocator(place, full, page_size, pools["full"]), pool, spare_pages=spare_pages)


def swa_tree_of(allocator: SwaAllocator, *, pairs: bool = False, spares_leaf: bool = True) -> SwaTree:
    """A tree over these halves."""
    pool = allocator.pool
    return SwaTree(pool.backend, allocator, allocator.owners.ledger, spares_leaf=spares_leaf, pairs=pairs)


class ListHalves:
    """Both allocators as plain lists, the mapping as a dictionary."""

    def __init__(self, full: int, swa: int, page_size: int, spare_pages: bool) -> None:
        self.page = page_size
        self.sizes = (full, swa)
        self.full, self.half = ListAllocator(full, page_size), ListAllocator(swa, page_size)
        self.mapping: dict[int, int] = {}
        self._spare = spare_pages
        self._group: list[int] | None = None

    def available(self) -> int:
        return min(len(self.full.pages), len(self.half.pages)) * self.page

    def decode(self, seq: list[int], last: list[int]) -> list[int] | None:
        return self.extend([s - 1 for s in seq], seq, last, spare=False)

    def extend(
        self, prefix: list[int], seq: list[int], last: list[int], *, spare: bool | None = None
    ) -> list[int] | None:
        page = self.page
        need = sum(-(-s // page) - -(-p // page) for p, s in zip(prefix, seq, strict=True)) * page
        if (self._spare if spare is None else spare) and page > 1:
            need = sum(seq) - sum(prefix) + len(seq) * page
        if self.available() < need:
            return None
        got = self.full.extend(prefix, seq, last)
        half = self.half.extend(prefix, seq, [-1 if slot == -1 else self.mapping.get(slot, 0) for slot in last])
        assert got is not None
        assert half is not None
        self.mapping.update(zip(got, half, strict=True))
        return got

    def free(self, slots: list[int]) -> None:
        if not slots:
            return
        if self._group is not None:
            self._group += slots
            return
        self.full.free(slots)
        self.free_swa(slots)

    def free_swa(self, slots: list[int]) -> None:
        live = [self.mapping[slot] for slot in slots if self.mapping.get(slot)]
        if live:
            self.half.free(live)
        for slot in slots:
            self.mapping.pop(slot, None)

    def group_begin(self) -> None:
        self._group = []

    def group_end(self) -> None:
        slots, self._group = self._group or [], None
        self.free(slots)

    def state(self) -> tuple[Any, ...]:
        return self.full.pages, self.half.pages, {k: v for k, v in self.mapping.items() if v}


def state_of(allocator: SwaAllocator) -> tuple[Any, ...]:
    """What the model has, read from the tensors."""
    place = allocator.pool.backend
    mapping = place.get(allocator.pool.mapping)[:-1].tolist()
    lists = [place.get(half.free_list.view()).tolist() for half in (allocator.full, allocator.half)]
    return (*lists, {slot: half for slot, half in enumerate(mapping) if half})
