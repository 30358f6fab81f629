"""What left the window of a request goes back: its windowed half, from the cursor e on.

row: [0 … p) tree │ [p … e) full half only │ [e … a) both halves        e: whole pages, never behind p once looked at

Decode looks at a request once in every so many steps, a prefill only where there is no tree; what is still in the
window is measured from the clock: how long the release takes the request to be.
"""

from __future__ import annotations

import numpy as np

from sim.config import SchedulerConfig
from sim.scheduler.batch import Lanes
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.streaming import require
from sim.scheduler.table import STEPS, ReqTable
from sim.world import Ints


class Window:
    """Window eviction of one scheduler."""

    def __init__(self, memory: Memory, table: ReqTable, config: SchedulerConfig) -> None:
        assert memory.swa is not None
        self._memory = memory
        self._table = table
        self._config = config
        self._decision = memory.release.window
        self._clock = memory.release.clock
        self._size = memory.swa.window
        self._interval = self._decision.interval(self._size, memory.page_size, memory.swa.multiplier)

    # -- decode -------------------------------------------------------------------------------------------

    def due(self, lanes: Lanes) -> list[Req]:
        """The requests of a decode step that are looked at in it; all of them have made a step more from here on."""
        steps = self._table.hot[STEPS]
        made: Ints = steps[lanes.index]
        steps[lanes.index] = made + 1
        hits = np.nonzero(made % self._interval == 1)[0]
        return [self._table.member(i) for i in lanes.index[hits].tolist()] if len(hits) else []

    def before(self, lanes: Lanes) -> list[Req]:
        """A decode step is about to take slots: give back first, but for those returned: their clock comes after it."""
        due = self.due(lanes)
        if self._clock.counts_reserved:
            return due
        for req in due:
            self.evict(req, self._clock.length(req))
        return []

    def after(self, due: list[Req]) -> None:
        """The slots of a decode step have been taken."""
        for req in due:
            self.evict(req, self._clock.length(req))

    # -- prefill ------------------------------------------------------------------------------------------

    def before_prefill(self, reqs: list[Req]) -> None:
        """A prefill is about to take slots; without a tree what left the window can be given back now.

        Under overlap the chunk before is still running, and may read one window below its own first position.
        """
        if not self._memory.chunk_cache:
            return
        for req in reqs:
            start = len(req.prefix)
            if self._config.overlap:
                if req.extend_steps < 2:
                    continue
                start -= self._config.chunked_prefill or 0
            self.evict(req, start)

    # -- one request --------------------------------------------------------------------------------------

    def evict(self, req: Req, length: int) -> None:
        """Give back what a request of this length cannot see any more."""
        memory = self._memory
        assert memory.swa is not None
        require(req.protected % memory.page_size == 0, "cache_protected_len must be page aligned")
        start = max(req.evicted, req.protected)
        stop = max(start, length - self._size - self._decision.margin(memory.page_size))
        stop = stop // memory.page_size * memory.page_size
        if stop > start:
            assert req.row is not None
            memory.allocator.free_swa(memory.rows.read(req.row, start, stop), req.tag)
            start = stop
        if start != req.evicted:
            req.evicted = start
