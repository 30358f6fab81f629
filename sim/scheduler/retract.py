"""Retract: give a running request's memory back and queue it again.

victim order: fewest output tokens, then longest prompt; with speculation from the back of the batch
at least one is retracted where two run; the last one is aborted if it still does not fit
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sim.config import SchedulerConfig
from sim.engines.protocol import EngineCrash
from sim.scheduler.batch import Batch
from sim.scheduler.memory import Memory
from sim.scheduler.release_kv import ReleaseKV
from sim.scheduler.request import Finish, Req

OUT_OF_MEMORY = Finish(
    "abort",
    "Out of memory even after retracting all other requests in the decode batch. Aborting the last request.",
)


@dataclass(frozen=True, slots=True)
class Survivors:
    """What the requests that keep running have decoded, and may decode."""

    count: int
    decoded: int
    max_new: int


@dataclass(frozen=True, slots=True)
class Retracted:
    """Who was sent back to the queue, and who was aborted for want of memory."""

    reqs: list[Req]
    aborted: list[Req]


class Retractor:
    """Chooses and releases victims."""

    def __init__(self, memory: Memory, config: SchedulerConfig, release_kv: ReleaseKV) -> None:
        self._memory = memory
        self._config = config
        self._release = release_kv

    def release(self, req: Req, remaining: int) -> None:
        """Give back one request's memory without caching it, and make room for the others' next steps."""
        self._release(req, insert=False)
        self._memory.evict_to(remaining * self._config.retract_steps)
        req.reset_for_retract(forget_protected=self._memory.release.admission.retract_forgets_protected)

    def all_of(self, batch: Batch) -> list[Req]:
        """Retract a whole batch."""
        reqs = list(batch.reqs)
        for i, req in enumerate(reqs):
            self.release(req, len(reqs) - i)
        batch.keep([])
        return reqs

    def named(self, batch: Batch, rids: Sequence[str]) -> list[Req]:
        """Retract these requests of the batch, in batch order."""
        victims = [r for r in batch.reqs if r.rid in rids]
        for i, req in enumerate(victims):
            self.release(req, len(batch.reqs) - i - 1)
        batch.keep([r for r in batch.reqs if r not in victims])
        return victims

    def for_memory(self, batch: Batch, fits: Callable[[list[int]], bool]) -> Retracted:
        """Retract until the next decode step of the rest fits."""
        speculative = self._config.speculative is not None
        indices = self._memory.release.victims.order(batch.reqs, speculative)
        retracted: list[Req] = []
        while (not retracted or not fits(indices)) and len(indices) > 1:
            req = batch.reqs[indices.pop()]
            retracted.append(req)
            self.release(req, len(indices))
        aborted: list[Req] = []
        if len(indices) <= 1 and not fits(indices):
            last = batch.reqs[indices.pop()]
            last.finish_later(OUT_OF_MEMORY)
            aborted.append(last)
            self.release(last, 0)
        batch.keep([batch.reqs[i] for i in indices])
        return Retracted(retracted, aborted)

    def new_ratio(self, batch: Batch) -> float:
        """The expectation of output after a retract."""
        reqs = batch.reqs
        survivors = Survivors(len(reqs), sum(r.out for r in reqs), sum(r.max_new for r in reqs))
        try:
            return self._memory.release.ratio.after_retract(survivors, self._config.retract_steps)
        except ZeroDivisionError as error:
            raise EngineCrash("ZeroDivisionError", str(error)) from error
