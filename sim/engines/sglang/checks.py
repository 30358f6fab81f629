"""The release's own checks, at the moments at which it runs them; what they say in one line."""

from __future__ import annotations

import sys
from typing import Any

from sim.engines.protocol import Terms


def hear_idle_failures(modules: Any) -> None:
    """What the idle check would print now and then (or raise) is kept: the first message of a check is its result."""
    module = sys.modules[_idle(modules, modules.scheduler.Scheduler).__module__]

    def failed(scheduler: Any, strict: bool, _: str, message: str) -> None:
        if scheduler.idle_failure is None:
            scheduler.idle_failure = message.strip()
        if strict:
            raise ValueError(message.strip())

    vars(module)["raise_error_or_warn"] = failed


def _idle(modules: Any, owner: Any) -> Any:
    return owner.self_check_during_idle if modules.old else owner.on_idle


class Checks:
    """The checks of one scheduler."""

    def __init__(self, modules: Any, scheduler: Any, level: int) -> None:
        self._scheduler = scheduler
        self._idle = _idle(modules, scheduler)
        # With several branches a round the release itself skips the check, with a warning at every iteration.
        self._checks_busy = level > 0 and (scheduler.server_args.speculative_eagle_topk or 1) <= 1
        self.terms = self._terms_by_batch if modules.old else self._terms
        self._counts_rowless = modules.old

    def busy(self) -> str | None:
        """The message of the busy check, if it fails."""
        if not self._checks_busy:
            return None
        try:
            self._scheduler.self_check_during_busy()
        except AssertionError as error:
            if error.args and "Mem Leak Detected" in str(error):
                return str(error)
            raise
        return None

    def idle(self) -> str | None:
        """The message of the idle check, if it fails; the routine also starts the token ratio anew."""
        scheduler = self._scheduler
        scheduler.idle_failure = None
        self._idle()
        failure: str | None = scheduler.idle_failure
        return failure

    # -- the five terms -----------------------------------------------------------------------------------

    def _terms(self) -> Terms:
        """From 0.5.11 on: by the functions that its busy check is made of."""
        scheduler = self._scheduler
        last = scheduler.last_batch
        if last is None:
            # Between iterations without a batch the release does not ask; whoever runs is then all there is.
            scheduler.last_batch = scheduler.running_batch
        try:
            stats = scheduler.get_pool_stats()
            held = scheduler._session_held_tokens()
            try:
                uncached = scheduler._get_total_uncached_sizes()[0]
            except AssertionError:
                uncached = sum(self._asserting_nothing(batch) for batch in self._batches())
        finally:
            scheduler.last_batch = last
        return Terms(
            stats.full_available_size, stats.full_evictable_size, scheduler.tree_cache.protected_size(), held, uncached,
            scheduler.max_total_num_tokens,
        )  # fmt: skip

    def _terms_by_batch(self) -> Terms:
        """0.5.10: the same sum, batch by batch, and every slot counts as held."""
        scheduler = self._scheduler
        _, _, available, evictable = scheduler._get_token_info()
        try:
            uncached = sum(scheduler._get_batch_uncached_size(batch) for batch in self._batches())
        except AssertionError:
            uncached = sum(self._asserting_nothing(batch) for batch in self._batches())
        return Terms(
            available, evictable, scheduler.tree_cache.protected_size(), scheduler._session_held_tokens(), uncached,
            scheduler.max_total_num_tokens,
        )  # fmt: skip

    def _batches(self) -> list[Any]:
        """The last batch and, where it is another one, the running one."""
        last, running = self._scheduler.last_batch, self._scheduler.running_batch
        if last is None:
            return [running]
        return [last] if running is last or not running.reqs else [last, running]

    def _asserting_nothing(self, batch: Any) -> int:
        """`uncached` of one batch after a crash, when a request is half released and the release's function asserts."""
        page = self._scheduler.page_size
        return sum(
            -(-req.kv_allocated_len // page) * page - req.cache_protected_len
            for req in batch.reqs
            if not req.kv_committed_freed and (self._counts_rowless or req.req_pool_idx is not None)
        )
