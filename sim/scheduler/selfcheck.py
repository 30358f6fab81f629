"""What the scheduler claims about its memory at this moment: the five terms, by the release's own formulas.

held      Σ slots        kept incrementally by the slot book; the rows in batches are looked up only when they change
uncached  Σ batch        ceil(a) − p over the requests that the release counts: one pass over arrays when a
                         cursor moved, and +1 per request for each plain decode step in between
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.engines.protocol import Terms
from sim.scheduler.batch import Batch
from sim.scheduler.table import COUNTED, A, P

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


class View:
    """The claims of one scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._memory = scheduler.memory
        self._key: tuple[int, ...] = ()
        self._held = 0
        self._uncached_key: tuple[int, ...] = ()
        self._uncached = 0
        self._terms: Terms | None = None

    def batches(self) -> list[Batch]:
        """The batches whose requests may own memory: the last one and, if another, the running one."""
        last, running = self._scheduler.last, self._scheduler.running
        if last is None:
            return [running] if running.reqs else []
        if running is last or not running.reqs:
            return [last]
        return [last, running]

    def active_rows(self) -> set[int]:
        """Rows of the requests in these batches."""
        return {r.row for batch in self.batches() for r in batch.reqs if r.row is not None}

    def held(self) -> int:
        """`session_held`."""
        book = self._memory.book
        if not book.holding:
            return 0
        scheduler = self._scheduler
        key = (
            book.changes, id(scheduler.last), id(scheduler.running), id(scheduler.running.reqs),
            id(scheduler.last.reqs) if scheduler.last else 0, scheduler.endings,
        )  # fmt: skip
        if key != self._key:
            self._held = self._memory.release.held.tokens(book, self.active_rows())
            self._key = key
        return self._held

    def uncached(self) -> int:
        """`uncached`: a pass over the batches when a cursor or a batch changed, else what the decode steps added."""
        scheduler = self._scheduler
        table, last, running = scheduler.table, scheduler.last, scheduler.running
        key = (
            table.version,
            id(last),
            id(last.reqs) if last is not None else 0,
            id(running),
            id(running.reqs),
        )
        if key != self._uncached_key:
            self._uncached_key = key
            self._uncached = self._count_uncached() - table.steps
        return self._uncached + table.steps

    def _count_uncached(self) -> int:
        total = 0
        page = self._memory.page_size
        table = self._scheduler.table
        hot, width = table.hot, self._memory.rows.width
        for batch in self.batches():
            if batch.reqs:
                index = batch.lanes(table, width).index
                allocated = hot[A][index]
                if page > 1:
                    allocated = (allocated + (page - 1)) // page * page
                total += int(np.dot(allocated - hot[P][index], hot[COUNTED][index]))
        return total

    def terms(self) -> Terms:
        """The five terms of the full pool; computed once between two changes."""
        terms = self._terms
        if terms is None:
            memory = self._memory
            tree = memory.tree
            terms = self._terms = Terms(
                memory.allocator.available(), tree.evictable, tree.protected, self.held(), self.uncached(),
                memory.total,
            )  # fmt: skip
        return terms

    def idle_terms(self) -> Terms:
        """As an idle check adds them up: whatever the last batch's requests still say, nothing is in use."""
        return self.terms()._replace(uncached=0)

    def changed(self) -> None:
        """An operation is about to change the state."""
        self._terms = None

    @property
    def free_rows(self) -> int:
        """Rows in the free list."""
        return len(self._memory.rows.free)

    @property
    def holding_slots(self) -> int:
        """Session slots that name a row."""
        return self._memory.book.holding

    @property
    def rows(self) -> int:
        """All rows."""
        return self._memory.rows.count

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._scheduler.waiting)


def row_message(view: View) -> str | None:
    """The idle check of the rows, the same in both releases."""
    if view.free_rows + view.holding_slots == view.rows:
        return None
    return (
        f"req_to_token_pool memory leak detected!available_size={view.free_rows}, "
        f"session_held={view.holding_slots}, total_size={view.rows}"
    )
