"""One iteration of the release's event loop, normal or overlapped, from its choice of a batch on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.engines.sglang.checks import Checks

Run = Callable[[Any], Any]


class Loop:
    """The loop of one scheduler; `run` is the forward pass."""

    def __init__(self, scheduler: Any, checks: Checks, run: Run) -> None:
        self._scheduler = scheduler
        self._checks = checks
        self._run = run
        self.once = self._overlapped if scheduler.enable_overlap else self._normal

    def _normal(self) -> tuple[Any, str | None]:
        scheduler = self._scheduler
        scheduler.cur_batch = batch = scheduler.get_next_batch_to_run()
        failure = None
        if batch is not None:
            scheduler.process_batch_result(batch, self._run(batch))
        else:
            failure = self._checks.idle()
        scheduler.last_batch = batch
        return batch, failure

    def _overlapped(self) -> tuple[Any, str | None]:
        scheduler = self._scheduler
        last = scheduler.last_batch
        scheduler.cur_batch = batch = scheduler.get_next_batch_to_run()
        at_once = scheduler.is_disable_overlap_for_batch(batch)
        failure = None
        if at_once:
            self.process_oldest()
        if batch is not None:
            result = self._run(batch)
            scheduler.result_queue.append((batch.copy(), result))
        if last is not None:
            if not at_once:
                self.process_oldest()
        elif batch is None:
            failure = self._checks.idle()
        scheduler.last_batch = batch
        return batch, failure

    def process_oldest(self) -> None:
        """The result that has waited longest."""
        scheduler = self._scheduler
        batch, result = scheduler.result_queue.popleft()
        scheduler.process_batch_result(batch, result)
