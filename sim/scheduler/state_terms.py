"""The terms of the state pool. The release adds them up when nothing runs, and then has no `uncached`.

held      Σ slots whose row is in no batch of their running states and snapshots, from the slot book
uncached  the same of the requests in batches: each has a row, a running state and as many snapshots as any other
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.engines.protocol import Terms
from sim.scheduler.table import COUNTED, NO_ROW, ROW

if TYPE_CHECKING:
    from sim.memory.states import StatePool
    from sim.scheduler.core import Scheduler
    from sim.scheduler.selfcheck import View


class StateTerms:
    """The claims about one pool of states."""

    def __init__(self, scheduler: Scheduler, view: View, states: StatePool) -> None:
        self._scheduler = scheduler
        self._view = view
        self._states = states
        self._key: tuple[int, ...] = ()
        self._uncached = 0

    def terms(self) -> Terms:
        """The five terms."""
        memory, states = self._scheduler.memory, self._states
        tree = memory.tree
        evictable, protected = (tree.other_evictable, tree.other_protected) if tree.manages_states else (0, 0)
        return Terms(states.available(), evictable, protected, self._held(), self.uncached(), states.size)

    def _held(self) -> int:
        book = self._scheduler.memory.book.of("mamba")
        if not book.holding:
            return 0
        return self._view.held("mamba")

    def uncached(self) -> int:
        """Counted anew when a request or a batch has changed."""
        scheduler = self._scheduler
        last, running = scheduler.last, scheduler.running
        key = (
            scheduler.table.version, id(last), id(last.reqs) if last is not None else 0, id(running), id(running.reqs),
        )  # fmt: skip
        if key != self._key:
            self._key = key
            self._uncached = self._count()
        return self._uncached

    def _count(self) -> int:
        table, width = self._scheduler.table, self._scheduler.memory.rows.width
        batches = [batch for batch in self._view.batches() if batch.reqs]
        if not batches:
            return 0
        index = np.concatenate([batch.lanes(table, width).index for batch in batches])
        if len(batches) > 1:
            index = np.unique(index)
        with_row = (table.hot[COUNTED][index] == 1) & (table.hot[ROW][index] != NO_ROW)
        return int(np.count_nonzero(with_row)) * (1 + self._states.buffers)
