"""What left the window of a request goes back: its windowed half, from the cursor e on.

row: [0 … p) tree │ [p … e) full half only │ [e … a) both halves        e: whole pages, never behind p once looked at

Decode looks at a request once in every so many steps, a prefill only where there is no tree; what is still in the
window is measured from the clock: how long the release takes the request to be.
"""

from __future__ import annotations

import numpy as np

from sim.config import SchedulerConfig
from sim.scheduler.batch import Lanes, Looks
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.streaming import require
from sim.scheduler.table import COUNTED, ROW, STEPS, TAG, E, P, ReqTable
from sim.world import Ints

ONE = np.int64(1)
NEVER = 1 << 60
FEW = 2
"""Up to so many requests one by one are cheaper than all at once."""
NOBODY: Ints = np.empty(0, dtype=np.int64)


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
        self._behind = self._size + self._decision.margin(memory.page_size)
        self._interval = self._decision.interval(self._size, memory.page_size, memory.swa.multiplier)
        self._last_use: Ints = np.zeros(memory.total + memory.page_size, dtype=np.int64)

    # -- decode -------------------------------------------------------------------------------------------

    def due(self, lanes: Lanes) -> Ints:
        """Columns of the requests that this decode step looks at; all of the batch have made a step more by then."""
        looks, steps = lanes.looks, self._table.hot[STEPS]
        if looks is None:
            looks = lanes.looks = Looks(made=steps[lanes.index], left=0)
        hits = NOBODY
        if looks.left:
            looks.left -= 1
        elif len(lanes.index):
            # Looked at where `made % interval == 1`, which is never so for an interval of one step.
            until = (ONE - looks.made) % self._interval
            if self._interval > 1:
                hits = lanes.index[until == 0]
                looks.left = int(np.where(until == 0, self._interval, until).min()) - 1
            else:
                looks.left = NEVER
        looks.made += ONE
        steps[lanes.index] = looks.made
        return hits

    def before(self, lanes: Lanes) -> Ints:
        """A decode step is about to take slots: give back first, but for those returned: their clock comes after it."""
        due = self.due(lanes)
        if not len(due) or self._clock.counts_reserved:
            return due
        self.after(due)
        return NOBODY

    def after(self, due: Ints) -> None:
        """Give back what these requests of a decode step cannot see any more."""
        if not len(due):
            return
        lengths = self._clock.lengths(self._table.hot, due)
        if len(due) <= FEW:
            self._evict_each(due, lengths)
        else:
            self._evict_all(due, lengths)

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

    # -- giving back --------------------------------------------------------------------------------------

    def evict(self, req: Req, length: int) -> None:
        """Give back what a request of this length cannot see any more."""
        memory = self._memory
        require(req.protected % memory.page_size == 0, "cache_protected_len must be page aligned")
        start = max(req.evicted, req.protected)
        stop = max(start, (length - self._behind) // memory.page_size * memory.page_size)
        if stop > start:
            assert req.row is not None
            memory.allocator.free_swa(memory.rows.read(req.row, start, stop), req.tag)
        self._moved(req.index, start, stop)

    def _moved(self, index: int, start: int, stop: int) -> None:
        """Note how far the window has gone; sums over a batch are carried on, as with decode steps."""
        table = self._table
        table.lines[E][index] = stop
        table.given += (stop - start) * table.lines[COUNTED][index]
        table.moved.add(index)

    def _evict_each(self, index: Ints, lengths: Ints) -> None:
        for i, length in zip(index.tolist(), lengths.tolist(), strict=True):
            self.evict(self._table.member(i), length)

    def _evict_all(self, index: Ints, lengths: Ints) -> None:
        """The same for many at once, as if one after the other; where two name one slot, really so."""
        table, memory = self._table, self._memory
        hot, page = table.hot, memory.page_size
        protected = hot[P][index]
        start = np.maximum(hot[E][index], protected)
        stop = np.maximum(start, (lengths - self._behind) // page * page)
        count = stop - start
        turn = np.repeat(np.arange(len(index)), count)
        offset = np.arange(len(turn)) - np.repeat(np.cumsum(count) - count, count)
        where = (hot[ROW][index] * memory.rows.width + start)[turn] + offset
        slots = memory.backend.copy(memory.rows.flat[where])
        if (protected % page).any() or not self._distinct(slots):
            self._evict_each(index, lengths)
            return
        if len(slots):
            memory.allocator.free_swa_each(slots, hot[TAG][index][turn], turn)
        hot[E][index] = stop
        table.given += int(np.dot(count, hot[COUNTED][index]))
        table.moved.update(index.tolist())

    def _distinct(self, slots: Ints) -> bool:
        """Whether no slot is named twice: then the last to name each is whoever names it."""
        order = np.arange(len(slots))
        self._last_use[slots] = order
        return bool((self._last_use[slots] == order).all())
