"""The terms of each pool once more, by the release's formulas, from nothing but the present state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sim.engines.protocol import Terms
from sim.scheduler.request import Req
from sim.scheduler.session import SlotBook

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


def books(scheduler: Scheduler) -> dict[str, Terms]:
    """The five terms of every pool."""
    return _Rebook(scheduler).books()


class _Rebook:
    def __init__(self, scheduler: Scheduler) -> None:
        self._memory = scheduler.memory
        self._policy = scheduler.release.held
        pools = scheduler.memory.config.pool.names
        self._book = SlotBook(scheduler.memory.page_size, pools)
        for name, slot in scheduler.cache.slots.items():
            self._book.post(name, slot)
        batched: Iterable[Req] = {id(r): r for batch in scheduler.view.batches() for r in batch.reqs}.values()
        self._rows = {r.row for r in batched if r.row is not None}
        self._counted = [
            r for r in batched if not r.freed and (r.row is not None or self._policy.counts_rowless)
        ]
        self._nodes: list[Any] = list(scheduler.memory.tree.nodes())

    def books(self) -> dict[str, Terms]:
        memory = self._memory
        made = {
            "full": self._terms(
                "full", memory.allocator.free_list.count * memory.page_size, memory.total,
                ((node.lock_ref, len(node.key)) for node in self._nodes),
                (memory.ceil(r.allocated) - r.protected for r in self._counted),
            )
        }  # fmt: skip
        if memory.swa is not None:
            made["swa"] = self._terms(
                "swa", memory.swa.allocator.free_list.count * memory.page_size, memory.swa.total,
                ((node.other_lock, len(node.key)) for node in self._nodes if _has_half(node)),
                (memory.ceil(r.allocated) - max(r.protected, r.evicted) for r in self._counted),
            )  # fmt: skip
        if memory.states is not None:
            made["mamba"] = self._terms(
                "mamba", memory.states.free_list.count, memory.states.size,
                ((node.other_lock, 1) for node in self._nodes if getattr(node, "state", None) is not None),
                (len(r.state.all) for r in self._counted if r.state is not None and r.row is not None),
            )  # fmt: skip
        return made

    def _terms(
        self, pool: str, available: int, total: int, nodes: Iterable[tuple[int, int]], uncached: Iterable[int]
    ) -> Terms:
        """`nodes` are the lock count and the size of each node that has something of this pool."""
        evictable = protected = 0
        for locks, size in nodes:
            if locks > 0:
                protected += size
            else:
                evictable += size
        held = self._policy.tokens(self._book.of(pool), self._rows)
        return Terms(available, evictable, protected, held, sum(uncached), total)


def _has_half(node: Any) -> bool:
    """Whether the node is one of a windowed tree and has its windowed KV still."""
    return not getattr(node, "tombstone", True)
