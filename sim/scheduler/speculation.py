"""Speculative rounds.

v1 (no overlap)  reserve and give back for the draft │ draft slots at [c, c + draft) │ walk │ free the rejected
v2 (overlap)     reserve up to c + 2A ahead │ launch │ one iteration later: c and output grow by the accepted run
"""

from __future__ import annotations

import numpy as np

from sim.config import SpeculativeConfig
from sim.memory.backend import Array
from sim.scheduler.allocation import alloc_reserve, draft, grow, write_rows
from sim.scheduler.batch import Batch
from sim.scheduler.forward import Forward
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.table import DEVICE, LIMIT, OUT, A, C, ReqTable
from sim.scheduler.tracking import keep_round
from sim.scheduler.window import Window
from sim.world import Ints, accepted


class Speculation:
    """Both kinds of rounds."""

    def __init__(
        self, memory: Memory, table: ReqTable, forward: Forward, config: SpeculativeConfig,
        window: Window | None = None,
    ) -> None:  # fmt: skip
        self._memory = memory
        self._window = window
        self._table = table
        self._forward = forward
        self.config = config

    def accept(self, reqs: list[Req]) -> Ints:
        """What the next round of each request accepts."""
        counts = []
        for req in reqs:
            counts.append(accepted(req.key, req.rounds, req.spec.accept, self.config.longest_accepted))
            req.rounds += 1
        return np.array(counts, dtype=np.int64)

    def v1_need(self, count: int) -> int:
        """Tokens that one v1 round of `count` requests may need."""
        page, steps, draft = self._memory.page_size, self.config.steps, self.config.draft
        if page > 1:
            partial = page if self.config.topk > 1 else 0
            steps, draft = self._memory.ceil(steps + partial), self._memory.ceil(draft)
        return max(steps * self.config.topk, draft) * count

    # -- v2 -----------------------------------------------------------------------------------------------

    def reserve(self, batch: Batch) -> None:
        """Prepare a v2 round: slots up to c + 2A, and (22651) the bonus slot claimed."""
        lanes = batch.lanes(self._table, self._memory.rows.width)
        preclaim = self._memory.release.reserve.preclaim
        late = None if self._window is None else self._window.before(lanes)
        alloc_reserve(self._memory, self._table, lanes, self.config.alloc_len, preclaim)
        if self._window is not None and late is not None:
            self._window.after(late)

    def launch(self, batch: Batch) -> Ints:
        """Run a v2 round on the device; what it accepted is known to the host one iteration later."""
        lanes = batch.lanes(self._table, self._memory.rows.width)
        counts = self.accept(batch.reqs)
        device = self._table.hot[DEVICE]
        start = device[lanes.index]
        self._forward.verify_round(lanes, start, counts, self.config.draft)
        self._keep(batch, start, start + counts)
        device[lanes.index] += counts
        return counts

    def _keep(self, batch: Batch, start: Ints, stop: Ints) -> None:
        if self._memory.states is not None:
            keep_round(self._memory.states, batch.reqs, start, stop)

    def resolve(self, index: Ints, counts: Ints) -> None:
        """The accepted run is known: c grows, also for requests that have ended meanwhile."""
        self._table.hot[C][index] += counts - self._memory.release.reserve.preclaim
        self._table.batch_moved()

    # -- v1 -----------------------------------------------------------------------------------------------

    def round_v1(self, batch: Batch) -> Ints:
        """Draft, verify and walk in one go; how many tokens each request accepted."""
        memory, hot = self._memory, self._table.hot
        lanes = batch.lanes(self._table, memory.rows.width)
        index, count = lanes.index, len(batch.reqs)
        late = None if self._window is None else self._window.before(lanes)
        draft(memory, lanes, hot[C][index], self.config.steps * self.config.topk)
        start = hot[C][index]
        length = np.full(count, self.config.draft, dtype=np.int64)
        slots = grow(memory, lanes, start, length)
        left = np.maximum(hot[LIMIT][index] - hot[OUT][index], 1)
        taken: Ints = np.minimum(self.accept(batch.reqs), left)
        self._forward.verify_round(lanes, start, taken, self.config.draft, slots)
        self._keep(batch, start, start + taken)
        hot[OUT][index] += taken
        kept = start + taken
        hot[C][index] = kept
        hot[A][index] = kept
        self._table.batch_moved()
        if self._window is not None and late is not None:
            self._window.after(late)
        self._give_back_rejected(batch, slots, start)
        stay = np.nonzero((np.arange(self.config.draft) < taken[:, None]).reshape(-1))[0]
        write_rows(memory, lanes, start, taken, slots[memory.backend.put(stay)])
        hot[DEVICE][index] = kept
        return taken

    def _give_back_rejected(self, batch: Batch, slots: Array, start: Ints) -> None:
        """Free what was allocated for this round and not accepted, but for the rest of a page that is in use.

        What was allocated counts, not what the row names by now: two turns that work on one row overwrite each other.
        """
        memory, draft = self._memory, self.config.draft
        memory.allocator.group_begin()
        for i, (req, first) in enumerate(zip(batch.reqs, start.tolist(), strict=True)):
            req.check_finished()
            assert req.row is not None
            kept = min(memory.ceil(req.committed) - first, draft)
            memory.allocator.free(slots[i * draft + kept : (i + 1) * draft], req.tag)
            memory.rows.extent[req.row] = req.committed
        memory.allocator.group_end()
