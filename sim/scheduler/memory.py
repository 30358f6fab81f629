"""The memory of one scheduler: tensors, free lists, tree and slots, made from the configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sim.config import RunConfig
from sim.ledger.owners import Ledger, TagPool
from sim.memory.allocator import make_allocator
from sim.memory.backend import Array, backend
from sim.memory.freelist import FreeList
from sim.memory.kvpool import KVPool
from sim.memory.mamba_tree import MambaTree
from sim.memory.presets import PRESETS
from sim.memory.rows import RowPool
from sim.memory.states import StatePool
from sim.memory.swa import SwaAllocator, SwaPool, make_mapping
from sim.memory.swa_tree import SwaTree
from sim.memory.tree import RadixTree
from sim.scheduler.release import Release
from sim.scheduler.session import SlotBook


class Memory:
    """Pools, rows and tree."""

    def __init__(self, config: RunConfig, release: Release) -> None:
        pool, scheduler = config.pool, config.scheduler
        self.config = config
        self.release = release
        self.page_size = pool.page_size
        self.total = pool.tokens
        self.backend = backend(config.device)
        self.ledger = Ledger()
        owners = TagPool(self.ledger, self.backend, "full", pool.tokens // pool.page_size, pool.page_size)
        first = release.checks.first_row
        rows = TagPool(self.ledger, self.backend, "rows", pool.rows + first, 1)
        full = make_allocator(self.backend, pool.tokens, pool.page_size, owners)
        self.swa = self._make_swa()
        self.allocator: Any = full
        if self.swa is not None:
            self.allocator = SwaAllocator(full, self.swa, spare_pages=release.admission.spare_pages)
        self.rows = RowPool(self.backend, pool.rows, config.row_width, first, rows)
        self.kv = KVPool(self.backend, pool.tokens + pool.page_size, PRESETS[pool.model])
        self.states = self._make_states()
        self.chunk_cache = not scheduler.radix and scheduler.chunked_prefill is not None
        self.tree: Any = self._make_tree()
        self.book = SlotBook(pool.page_size, pool.names)

    def _make_swa(self) -> SwaPool | None:
        pool, page = self.config.pool, self.page_size
        if pool.swa is None:
            return None
        owners = TagPool(self.ledger, self.backend, "swa", pool.swa.tokens // page, page)
        tensor, mapping = make_mapping(self.backend, pool.tokens, page)
        preset = PRESETS[pool.model]
        preset = replace(preset, kv_bytes_per_token=preset.swa_bytes_per_token)
        return SwaPool(
            backend=self.backend, allocator=make_allocator(self.backend, pool.swa.tokens, page, owners),
            mapping=mapping, mapping_tensor=tensor, window=pool.swa.window,
            multiplier=pool.swa.eviction_multiplier, total=pool.swa.tokens,
            kv=KVPool(self.backend, pool.swa.tokens + page, preset),
        )  # fmt: skip

    def _make_states(self) -> StatePool | None:
        config = self.config.pool.mamba
        if config is None:
            return None
        return StatePool(
            self.backend, config, PRESETS[self.config.pool.model],
            TagPool(self.ledger, self.backend, "mamba", config.slots, 1),
            page_size=self.page_size, overlap=self.config.scheduler.overlap,
        )  # fmt: skip

    def _make_tree(self) -> RadixTree:
        """The prefix cache that the release would choose for these pools."""
        scheduler, release = self.config.scheduler, self.release
        pairs, disabled = scheduler.speculative is not None, not scheduler.radix
        if self.swa is not None:
            return SwaTree(
                self.backend, self.allocator, self.ledger, spares_leaf=release.admission.spares_leaf,
                pairs=pairs, disabled=disabled,
            )  # fmt: skip
        if self.states is not None and not self.chunk_cache and self.config.pool.swa is None:
            return MambaTree(
                self.backend, self.allocator, self.states, self.ledger, disabled=not scheduler.radix
            )
        order = release.eviction or release.evictions[scheduler.eviction]()
        return RadixTree(
            self.backend, self.allocator, self.ledger, pairs=pairs, eviction=order.key, disabled=disabled
        )

    @property
    def free_lists(self) -> list[FreeList]:
        """The free lists from which slots of tokens are taken."""
        if self.swa is None:
            return [self.allocator.free_list]
        return [self.allocator.free_list, self.swa.allocator.free_list]

    def ceil(self, tokens: int) -> int:
        """Rounded up to whole pages."""
        return -(-tokens // self.page_size) * self.page_size

    def evict_to(self, tokens: int) -> None:
        """Evict from the tree if fewer than `tokens` are free."""
        if self.chunk_cache or self.allocator.available() >= tokens or self.tree.disabled:
            return
        if self.swa is None:
            self.tree.evict(tokens)
        else:
            full, half = self.allocator.full.available(), self.swa.allocator.available()
            self.tree.evict(max(0, tokens - full), max(0, tokens - half))

    def names_from(self, row: int, start: int) -> bool:
        """Whether row positions from `start` on name anything that `lose_names` would lose."""
        return self.ceil(start) < int(self.rows.extent[row])

    def lose_names(self, row: int, start: int, owner: int, what: str) -> None:
        """Row positions from `start` on are about to name something else, or nothing."""
        rows = self.rows
        extent = int(rows.extent[row])
        start = self.ceil(start)
        if start < extent:
            self.orphan(rows.read(row, start, extent), owner, what)
        rows.extent[row] = min(extent, start)

    def orphan(self, slots: Array, owner: int, what: str, *, if_touched: bool = False) -> None:
        """The last names of these slots go away, and with them their windowed halves (`TagPool.orphan`)."""
        units = slots if self.page_size == 1 else slots // self.page_size
        self.allocator.owners.orphan(units, owner, what, if_touched=if_touched)
        if self.swa is not None:
            self.swa.orphan(slots, owner, what, if_touched=if_touched)
