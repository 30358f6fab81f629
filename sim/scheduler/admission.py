"""The prefill adder: which waiting requests fit into the next prefill, and how much of them.

rem_total = available + evictable − what running and chosen requests are expected to need
cur_rem   = available + evictable − what the chosen ones need now
rem_input = max_prefill_tokens,  rem_chunk = chunked_prefill_size

With a windowed pool, 0.5.10 takes the smaller of the two for `available + evictable`; 0.5.11 has a budget for each:
rem_window = available + evictable of the windowed pool − what the chosen ones need of it, at least a window each
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from sim.config import SchedulerConfig
from sim.scheduler.batch import Batch
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.streaming import StreamingCache
from sim.scheduler.table import MAX_NEW, OUT, ReqTable

_RESERVE_PER_REQUEST = 1


class Added(Enum):
    """Whether the adder goes on, and if not, why."""

    CONTINUE = "continue"
    NO_TOKEN = "no-token"
    OTHER = "other"


class PrefillAdder:
    """One pass over the queue; `short` is the pool in which a request has last found no memory."""

    def __init__(
        self,
        memory: Memory,
        table: ReqTable,
        cache: StreamingCache,
        config: SchedulerConfig,
        running: Batch,
        ratio: float,
        mixed_decodes: int,
    ) -> None:
        self.memory = memory
        self.table = table
        self.cache = cache
        self.config = config
        self.running = running
        self.ratio = ratio
        self.page = memory.page_size
        self.reserve = memory.release.admission.page_reserve(self.page)
        self.rem_input = config.max_prefill_tokens - mixed_decodes
        self.rem_chunk = None if config.chunked_prefill is None else config.chunked_prefill - mixed_decodes
        self.total_offset: float = mixed_decodes
        self.window_offset = 0
        self._swa = memory.swa
        self._apart = memory.swa is not None and memory.release.admission.pools_apart
        self.current_offset = mixed_decodes
        self.can_run: list[Req] = []
        self.preempted: list[Req] = []
        self.short: str | None = None
        self.new_chunked: Req | None = None
        self._forecast: list[tuple[float, int]] | None = None
        if running.reqs:
            self.total_offset += self._expected_of_running()

    def _expected(self, req: Req) -> float:
        return min(req.max_new - req.out, self.config.clip_max_new_tokens) * self.ratio

    def _expected_of_running(self) -> float:
        """Σ of what running requests may still need, added one by one so that rounding is the release's."""
        hot = self.table.hot
        index = self.running.lanes(self.table, self.memory.rows.width).index
        left = np.minimum(hot[MAX_NEW][index] - hot[OUT][index], self.config.clip_max_new_tokens)
        return float(np.cumsum(left * self.ratio)[-1])

    @property
    def _free_or_evictable(self) -> int:
        memory, swa = self.memory, self._swa
        if swa is None:
            return int(memory.allocator.available() + memory.tree.evictable)
        full = int(memory.allocator.full.available() + memory.tree.evictable)
        return full if self._apart else min(full, self._windowed)

    @property
    def _windowed(self) -> int:
        assert self._swa is not None
        return int(self._swa.allocator.available() + self.memory.tree.other_evictable)

    @property
    def rem_total(self) -> float:
        """Tokens left when all that is expected has come."""
        return self._free_or_evictable - self.total_offset

    @property
    def rem_current(self) -> int:
        """Tokens left now."""
        return self._free_or_evictable - self.current_offset

    @property
    def rem_window(self) -> int:
        """Tokens of the windowed pool left now; only where it has a budget of its own."""
        return self._windowed - self.window_offset

    def _window_need(self, extend: int) -> int:
        """What a prefill of this length needs of the windowed pool: room to decode in is always kept."""
        assert self._swa is not None
        if self.rem_chunk is not None:
            extend = min(extend, self.rem_chunk)
        return max(extend, self._swa.window) + self.page

    def _no_memory(self, total: int, extend: int) -> bool:
        if total >= self.rem_total:
            return self._lacks(self._scarcer)
        return self._apart and self._window_need(extend) >= self.rem_window and self._lacks("swa")

    def _lacks(self, pool: str) -> bool:
        self.short = pool
        return True

    @property
    def _scarcer(self) -> str:
        """The pool of which `available + evictable` is."""
        if self._swa is None or self._apart:
            return "full"
        return "swa" if self._windowed < self.memory.allocator.full.available() + self.memory.tree.evictable else "full"

    def _state(self) -> Added:
        if self.rem_total <= 0 or self.rem_current <= 0:
            self.short = self._scarcer
            return Added.NO_TOKEN
        if self._apart and self.rem_window <= 0:
            self.short = "swa"
            return Added.NO_TOKEN
        if self.rem_input <= 0 or (self.rem_chunk is not None and self.rem_chunk <= 0):
            return Added.OTHER
        return Added.CONTINUE

    def _charge(self, extend: int, max_new: int) -> None:
        extend = self.memory.ceil(extend)
        self.total_offset += extend + max_new + self.page
        self.current_offset += extend + self.page
        self.rem_input -= extend
        if self._apart:
            self.window_offset += self._window_need(extend)
        if self.rem_chunk is not None:
            self.rem_chunk -= extend

    # -- adding -------------------------------------------------------------------------------------------

    def add_chunked(self, req: Req) -> Req | None:
        """Go on with the split prefill; it must run, whatever is left. Returns it if it is not done yet.

        Only where the windowed pool has a budget of its own it does not run if nothing is left.
        """
        assert self.rem_chunk is not None
        room = min(self.rem_chunk, int(self.rem_total))
        if self._apart:
            room = min(room, self.rem_window - self.page)
        if room <= 0:
            if self._apart:
                self.short = "full" if self.rem_total <= 0 else "swa"
                return req
            room = self.rem_chunk
        truncated = req.extend_len > room
        req.extend_len = min(req.extend_len, room)
        req.fill_len = len(req.prefix) + req.extend_len
        self.can_run.append(req)
        max_new = 0 if truncated else min(req.max_new, self.config.clip_max_new_tokens)
        self._charge(req.extend_len, max_new)
        return req if truncated else None

    def add(self, req: Req) -> Added:
        """Try one waiting request that has just been matched."""
        if req.spec.ignore_eos and (self.memory.chunk_cache or self.memory.tree.disabled):
            return self._add_ignoring_eos(req)
        clip = self.config.clip_max_new_tokens
        total = req.extend_len + min(max(req.max_new - req.out, 0), clip) + self.reserve
        extend = self.memory.ceil(req.extend_len)
        if self._no_memory(total, req.extend_len):
            return Added.NO_TOKEN
        if extend >= self.rem_input and self.can_run:
            return Added.OTHER
        mark = self.cache.lock(req.last_node)
        try:
            if self._no_memory(total, req.extend_len):
                return Added.NO_TOKEN
            if extend >= self.rem_input and self.can_run:
                return Added.OTHER
            if self.rem_chunk is None or extend <= self.rem_chunk:
                self._take(req, extend, min(req.max_new, clip))
            else:
                cut = self.rem_chunk // self.page * self.page
                if cut <= 0:
                    return Added.OTHER
                req.extend_len = cut
                req.fill_len = len(req.prefix) + cut
                self.new_chunked = req
                self._take(req, cut, 0)
        finally:
            self.cache.unlock(req.last_node, mark)
        return self._state()

    def _take(self, req: Req, extend: int, max_new: int) -> None:
        self.can_run.append(req)
        req.mark = self.cache.lock(req.last_node)
        self._charge(extend, max_new)

    # -- requests that ignore EOS, without a prefix cache ---------------------------------------------------

    def _add_ignoring_eos(self, req: Req) -> Added:
        extend = self.memory.ceil(req.extend_len)
        if extend > min(self.rem_current, self.rem_total):
            self.short = self._scarcer
            return Added.NO_TOKEN
        if self._apart and self._window_need(req.extend_len) > self.rem_window:
            self.short = "swa"
            return Added.NO_TOKEN
        if self._swa is None and not self._release_order_fits(req, self.rem_current - extend):
            self.short = "full"
            return Added.NO_TOKEN
        if self.rem_chunk is None or req.extend_len <= self.rem_chunk:
            self.can_run.append(req)
            self._charge(req.extend_len, min(req.max_new, self.config.clip_max_new_tokens))
        else:
            if self.rem_chunk <= 0:
                return Added.OTHER
            req.extend_len = req.fill_len = self.rem_chunk
            self.can_run.append(req)
            self.new_chunked = req
            self._charge(self.rem_chunk, 0)
        return self._state()

    def _release_order_fits(self, req: Req, current: int) -> bool:
        """Simulate in which order requests end and give memory back."""
        if self._forecast is None:
            self._forecast = []
            for other in (req, *self.running.reqs, *self.can_run):
                entry = self._forecast_of(other)
                if entry is not None:
                    self._forecast.append(entry)
            self._forecast.sort(key=lambda entry: entry[0])
        else:
            self._insert_forecast(req)
        freed = 0
        for i, (left, occupied) in enumerate(self._forecast):
            alive = len(self._forecast) - i
            if current + freed - left * alive <= _RESERVE_PER_REQUEST * alive:
                return False
            freed += occupied
        return True

    def _forecast_of(self, req: Req) -> tuple[float, int] | None:
        left = req.max_new * (1.0 if req.spec.ignore_eos else self.ratio) - req.out
        return (left, req.seqlen) if left > 0 else None

    def _insert_forecast(self, req: Req) -> None:
        entry = self._forecast_of(req)
        assert self._forecast is not None
        if entry is None:
            return
        at = 0
        for at in range(len(self._forecast)):
            if entry[0] <= self._forecast[at][0]:
                break
        self._forecast.insert(at, entry)

    # -- preemption ---------------------------------------------------------------------------------------

    def victims_for(self, req: Req) -> list[Req]:
        """Running requests of lower priority whose memory would let `req` in; empty if that is not enough."""
        sign = 1 if self.config.low_priority_first else -1
        candidates = [r for r in self.running.reqs if r not in self.preempted and not r.finished]
        candidates.sort(key=lambda r: ((r.priority or 0) * -sign, -r.queued_at))
        missing = req.extend_len + min(req.max_new, self.config.clip_max_new_tokens) - self.rem_total
        chosen: list[Req] = []
        for victim in candidates:
            if ((req.priority or 0) - (victim.priority or 0)) * -sign <= self.config.preemption_threshold:
                break
            chosen.append(victim)
            missing -= self._expected(victim)
            if missing <= 0:
                break
        return chosen if chosen and missing <= 0 else []

    def forgive(self, victim: Req) -> None:
        """A preempted request is expected to need nothing any more."""
        self.total_offset -= self._expected(victim)
