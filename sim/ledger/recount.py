"""The full recount: who owns what, from the tensors and the rows themselves.

Nothing here uses the allocators' or the books' own arithmetic: free lists are read, the tree is walked, each row is
followed from its first position to its last. It costs O(pool) and is done on demand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sim.engines.protocol import Terms
from sim.ledger.findings import PoolCount
from sim.ledger.owners import FREE
from sim.ledger.physical import Holder, Ints, count_rows, tally
from sim.memory.tree import PAIR_BITS, Node
from sim.scheduler.request import Req
from sim.scheduler.session import SessionSlot, SlotBook

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


def live_requests(scheduler: Scheduler) -> Iterator[Req]:
    """Requests that name a row, each once."""
    seen: set[int] = set()
    batches = [b.reqs for b in (scheduler.running, scheduler.last, scheduler.current) if b is not None]
    chunked = [] if scheduler.chunked is None else [scheduler.chunked]
    for req in (*(r for reqs in batches for r in reqs), *chunked, *scheduler.waiting):
        if id(req) not in seen and req.row is not None and not req.freed:
            seen.add(id(req))
            yield req


class Recount:
    """Counts a scheduler's memory."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._memory = scheduler.memory
        self._page = scheduler.memory.page_size

    # -- ownership ----------------------------------------------------------------------------------------

    def counts(self) -> dict[str, PoolCount]:
        """Every pool."""
        return {"full": self.full(), "rows": self.rows()}

    def full(self) -> PoolCount:
        """The full pool: each page must stand once in the free list, or be named by one owner."""
        units = self._memory.total // self._page
        holders = list(self._holders())
        named = [self._units(holder.row, holder.stop) for holder in holders]
        counted = tally(
            self._page, units, self._free_units(), self._tree_units(), holders,
            np.concatenate(named) if named else np.empty(0, dtype=np.int64),
        )  # fmt: skip
        return counted.count("full")

    def rows(self) -> PoolCount:
        """The rows: each must be free, or named by one owner."""
        rows = self._memory.rows
        return count_rows(rows.first, rows.count, rows.free, list(self._holders()))

    def _free_units(self) -> Ints:
        memory = self._memory
        held = [memory.backend.get(memory.allocator.free_list.view())]
        return np.asarray(np.concatenate(held), dtype=np.int64)

    def _tree_units(self) -> Ints:
        memory = self._memory
        runs = [memory.backend.get(node.value)[:: self._page] // self._page for node in memory.tree.nodes()]
        return np.concatenate(runs).astype(np.int64) if runs else np.empty(0, dtype=np.int64)

    def _holders(self) -> Iterator[Holder]:
        """Every request and slot that names a row.

        A slot names no more than the turn that works on its row: the rest was overwritten when the turn was prefilled.
        The slot of a session that is gone names nothing: nobody will ever give back what is in it.
        """
        sessions = self._scheduler.controller.sessions
        width = self._memory.rows.width
        reached: dict[int, int] = {}
        for req in live_requests(self._scheduler):
            assert req.row is not None
            reached[req.row] = max(req.allocated, reached.get(req.row, 0))
            yield Holder(req.tag, req.row, req.protected, min(req.allocated, width))
        for name, slot in self._scheduler.cache.slots.items():
            if slot.row is not None and name in sessions:
                reach = min(slot.allocated, width, reached.get(slot.row, slot.allocated))
                yield Holder(slot.tag, slot.row, slot.protected, reach)

    def _units(self, row: int, stop: int) -> Ints:
        line = self._memory.rows.array[row, :stop]
        return np.asarray(self._memory.backend.get(line), dtype=np.int64) // self._page

    def postings_differ(self) -> str | None:
        """Whether the owner tags say other than the free list, although no posting went wrong: our own mistake."""
        memory = self._memory
        owners = memory.allocator.owners
        if owners.tainted:
            return None
        tags = memory.backend.get(owners.tags)[1:]
        free = self._free_units()
        if len(free) == np.count_nonzero(tags == FREE) and not np.any(tags[free - 1]):
            return None
        return f"{len(free)} units are in the free list, {np.count_nonzero(tags == FREE)} are tagged as free"

    def locks(self) -> list[str]:
        """Nodes that are locked more, or less, often than live requests and slots hold them or something below."""
        if self._memory.chunk_cache or self._memory.tree.disabled:
            return []
        holding: Counter[int] = Counter()
        holders: list[Req | SessionSlot] = [*live_requests(self._scheduler), *self._scheduler.cache.slots.values()]
        for holder in holders:
            node = holder.last_node if isinstance(holder.last_node, Node) else None
            while node is not None:
                holding[id(node)] += 1
                node = node.parent
        return [
            f"a node of {len(node.key)} tokens has lock_ref {node.lock_ref}, but {holding[id(node)]} hold it"
            for node in self._memory.tree.nodes()
            if node.lock_ref != holding[id(node)]
        ]

    # -- the canary ---------------------------------------------------------------------------------------

    def read_back(self) -> None:
        """Read every token that the tree or a slot keeps; what is wrong goes to the forward pass's list."""
        memory, forward = self._memory, self._scheduler.forward
        tree = memory.tree
        stack = [(child, 0) for child in tree.root.children.values()]
        while stack:
            node, depth = stack.pop()
            tokens = node.key >> PAIR_BITS if tree.pairs else node.key
            forward.compare("the tree", None, node.value, depth, tokens)
            stack.extend((child, depth + len(node.key)) for child in node.children.values())
        for name, slot in self._scheduler.cache.slots.items():
            session = self._scheduler.controller.sessions.get(name)
            turn = session.node if session is not None else None
            if slot.row is None or turn is None or not turn.finished:
                continue
            if not slot.protected <= slot.committed <= slot.allocated:
                continue
            tokens = turn.tokens(slot.committed)[slot.protected :]
            slots = memory.rows.read(slot.row, slot.protected, slot.committed)
            forward.compare(turn.rid, name, slots, slot.protected, tokens)

    # -- the books ----------------------------------------------------------------------------------------

    def terms(self) -> Terms:
        """The five terms by the release's formulas, from nothing but the present state."""
        memory, scheduler = self._memory, self._scheduler
        evictable = protected = 0
        for node in memory.tree.nodes():
            if node.lock_ref > 0:
                protected += len(node.key)
            else:
                evictable += len(node.key)
        book = SlotBook(self._page)
        for name, slot in scheduler.cache.slots.items():
            book.post(name, slot)
        held_policy = scheduler.release.held
        counted = {id(r): r for batch in scheduler.view.batches() for r in batch.reqs}.values()
        rows = {r.row for r in counted if r.row is not None}
        uncached = 0
        for req in counted:
            if not req.freed and (req.row is not None or held_policy.counts_rowless):
                uncached += memory.ceil(req.allocated) - req.protected
        return Terms(
            len(self._free_units()) * self._page, evictable, protected, held_policy.tokens(book, rows), uncached,
            memory.total,
        )  # fmt: skip
