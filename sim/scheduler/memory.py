"""The memory of one scheduler: tensors, free lists, tree and slots, made from the configuration."""

from __future__ import annotations

from sim.config import RunConfig
from sim.ledger.owners import Ledger, TagPool
from sim.memory.allocator import make_allocator
from sim.memory.backend import backend
from sim.memory.kvpool import KVPool
from sim.memory.presets import PRESETS
from sim.memory.rows import RowPool
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
        self.allocator = make_allocator(self.backend, pool.tokens, pool.page_size, owners)
        self.rows = RowPool(self.backend, pool.rows, config.row_width, first, rows)
        self.kv = KVPool(self.backend, pool.tokens + pool.page_size, PRESETS[pool.model])
        order = release.eviction or release.evictions[scheduler.eviction]()
        self.chunk_cache = not scheduler.radix and scheduler.chunked_prefill is not None
        self.tree = RadixTree(
            self.backend, self.allocator, self.ledger, pairs=scheduler.speculative is not None,
            eviction=order.key, disabled=not scheduler.radix,
        )  # fmt: skip
        self.book = SlotBook(pool.page_size)

    def ceil(self, tokens: int) -> int:
        """Rounded up to whole pages."""
        return -(-tokens // self.page_size) * self.page_size

    def evict_to(self, tokens: int) -> None:
        """Evict from the tree if fewer than `tokens` are free."""
        if not self.chunk_cache and self.allocator.available() < tokens and not self.tree.disabled:
            self.tree.evict(tokens)

    def lose_names(self, row: int, start: int, owner: int, what: str) -> None:
        """Row positions from `start` on are about to name something else, or nothing."""
        rows = self.rows
        extent = int(rows.extent[row])
        start = self.ceil(start)
        if start < extent:
            slots = rows.read(row, start, extent)
            units = slots if self.page_size == 1 else slots // self.page_size
            self.allocator.owners.orphan(units, owner, what)
        rows.extent[row] = min(extent, start)
