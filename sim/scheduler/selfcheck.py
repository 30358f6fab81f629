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
from sim.scheduler.leaked import leaked_sets
from sim.scheduler.state_terms import StateTerms
from sim.scheduler.table import COUNTED, A, E, P

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


class View:
    """The claims of one scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._memory = scheduler.memory
        self._pools = scheduler.memory.config.pool.names
        self._key: tuple[int, ...] = ()
        self._held: dict[str, int] = {}
        self._uncached_key: tuple[int, ...] = ()
        self._uncached: dict[str, int] = {}
        self._steps = self._given = 0
        self._terms: Terms | None = None
        self._books: dict[str, Terms] | None = None
        states = scheduler.memory.states
        self._states = None if states is None else StateTerms(scheduler, self, states)

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

    def held(self, pool: str = "full") -> int:
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
            rows, tokens = self.active_rows(), self._memory.release.held.tokens
            self._held = {name: tokens(book.of(name), rows) for name in self._pools}
            self._key = key
        return self._held[pool]

    def uncached(self, pool: str = "full") -> int:
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
            self._uncached = self._count_uncached()
            self._steps, self._given = table.steps, table.given
        count = self._uncached[pool] + table.steps - self._steps
        return count if pool == "full" else count - (table.given - self._given)

    def _count_uncached(self) -> dict[str, int]:
        total = windowed = 0
        swa = self._memory.swa
        page = self._memory.page_size
        table = self._scheduler.table
        hot, width = table.hot, self._memory.rows.width
        for batch in self.batches():
            if batch.reqs:
                index = batch.lanes(table, width).index
                allocated = hot[A][index]
                if page > 1:
                    allocated = (allocated + (page - 1)) // page * page
                protected, counted = hot[P][index], hot[COUNTED][index]
                total += int(np.dot(allocated - protected, counted))
                if swa is not None:
                    windowed += int(np.dot(allocated - np.maximum(protected, hot[E][index]), counted))
        return {"full": total} if swa is None else {"full": total, "swa": windowed}

    def terms(self) -> Terms:
        """The five terms of the full pool; computed once between two changes."""
        terms = self._terms
        if terms is None:
            memory = self._memory
            tree = memory.tree
            full = memory.allocator if memory.swa is None else memory.allocator.full
            terms = self._terms = Terms(
                full.available(), tree.evictable, tree.protected, self.held(), self.uncached(),
                memory.total,
            )  # fmt: skip
        return terms

    def books(self) -> dict[str, Terms]:
        """The terms of each pool."""
        books = self._books
        if books is None:
            books = self._books = {"full": self.terms()}
            swa, tree = self._memory.swa, self._memory.tree
            if swa is not None:
                # What the full pool's terms have counted on the way is not looked for once more.
                held = self._held["swa"] if self._memory.book.holding else 0
                uncached = self.uncached("swa")
                books["swa"] = Terms(
                    swa.allocator.available(), tree.other_evictable, tree.other_protected, held, uncached, swa.total
                )
            if self._states is not None:
                books["mamba"] = self._states.terms()
        return books

    def windowed_terms(self) -> Terms | None:
        """The terms of the windowed pool, where there is one."""
        return None if self._memory.swa is None else self.books()["swa"]

    def idle_books(self) -> dict[str, Terms]:
        """As an idle check adds them up: whatever the last batch's requests still say, nothing is in use."""
        return {pool: terms._replace(uncached=0) for pool, terms in self.books().items()}

    @property
    def windowed_tree(self) -> bool:
        """Whether the prefix cache is the tree of windowed models, be it switched off."""
        return self._memory.swa is not None and not self._memory.chunk_cache

    @property
    def recurrent_tree(self) -> bool:
        """Whether the prefix cache is the tree of recurrent models, be it switched off."""
        return bool(self._memory.tree.manages_states)

    def leaked(self) -> str:
        """What a recurrent model's idle check prints as leaked."""
        full, states = leaked_sets(self._memory)
        return f"leaked_full_pages={full}, leaked_mamba_pages={states}"

    def locked_at_rest(self) -> bool:
        """Whether a node of a tree with two halves is locked although no session keeps memory: a lock was lost."""
        memory = self._memory
        return not memory.book.holding and memory.tree.protected > 0

    def changed(self) -> None:
        """An operation is about to change the state."""
        self._terms = self._books = None

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
