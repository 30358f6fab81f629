"""The five terms of each pool, by the release's own formulas.

Of the recurrent states the release has no `uncached`: it looks at them only when nothing runs. At every event it is
what the requests of the two batches name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.engines.protocol import Terms


class Books:
    """The books of one scheduler."""

    def __init__(self, modules: Any, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._old: bool = modules.old

    def terms(self) -> dict[str, Terms]:
        """Every pool that there is."""
        scheduler = self._scheduler
        last = scheduler.last_batch
        if last is None:
            # Between iterations without a batch the release does not ask; whoever runs is then all there is.
            scheduler.last_batch = scheduler.running_batch
        try:
            full, swa = self._uncached()
            found = {"full": self._full(full)}
            if scheduler.is_hybrid_swa:
                found["swa"] = self._swa(swa)
            if scheduler.is_hybrid_ssm:
                found["mamba"] = self._mamba()
            return found
        finally:
            scheduler.last_batch = last

    # -- pool by pool -------------------------------------------------------------------------------------

    def _full(self, uncached: int) -> Terms:
        scheduler, tree = self._scheduler, self._scheduler.tree_cache
        allocator, held = scheduler.token_to_kv_pool_allocator, scheduler._session_held_tokens()
        if scheduler.is_hybrid_swa:
            return Terms(
                allocator.full_available_size(), tree.full_evictable_size(), tree.full_protected_size(), held, uncached,
                scheduler.full_tokens_per_layer,
            )  # fmt: skip
        if scheduler.is_hybrid_ssm and tree.supports_mamba():
            return Terms(
                allocator.available_size(), tree.full_evictable_size(), tree.full_protected_size(), held, uncached,
                allocator.size,
            )  # fmt: skip
        return Terms(
            allocator.available_size(), tree.evictable_size(), tree.protected_size(), held, uncached,
            scheduler.max_total_num_tokens,
        )  # fmt: skip

    def _swa(self, uncached: int) -> Terms:
        scheduler, tree = self._scheduler, self._scheduler.tree_cache
        return Terms(
            scheduler.token_to_kv_pool_allocator.swa_available_size(), tree.swa_evictable_size(),
            tree.swa_protected_size(), scheduler._session_held_swa_tokens(), uncached, scheduler.swa_tokens_per_layer,
        )  # fmt: skip

    def _mamba(self) -> Terms:
        scheduler, tree = self._scheduler, self._scheduler.tree_cache
        manages = tree.supports_mamba() and tree.is_tree_cache()
        pool = scheduler.req_to_token_pool.mamba_pool
        uncached = sum(
            len(states_of(req))
            for req in {id(r): r for batch in self._batches() for r in batch.reqs}.values()
            if not req.kv_committed_freed and req.req_pool_idx is not None
        )
        return Terms(
            pool.available_size(), tree.mamba_evictable_size() if manages else 0,
            tree.mamba_protected_size() if manages else 0, self._held_states(), uncached, pool.size,
        )  # fmt: skip

    def _held_states(self) -> int:
        """0.5.10 has no such function; as there for tokens, every slot counts, whoever runs on its row."""
        if not self._old:
            return int(self._scheduler._session_held_mamba_slots())
        return sum(len(states_of(slot)) for slot in self._scheduler.tree_cache.slots.values())

    # -- who is in a batch --------------------------------------------------------------------------------

    def _uncached(self) -> tuple[int, int]:
        """Of the full and of the windowed pool; 0.5.10 knows the former only, batch by batch."""
        scheduler = self._scheduler
        try:
            if not self._old:
                full, swa = scheduler._get_total_uncached_sizes()
                return int(full), int(swa)
            full = sum(scheduler._get_batch_uncached_size(batch) for batch in self._batches())
        except AssertionError:
            full = sum(stop - p for stop, p, _ in self._ranges())
        return int(full), sum(stop - max(p, e) for stop, p, e in self._ranges())

    def _ranges(self) -> Iterator[tuple[int, int, int]]:
        """Page end, p and e of who is counted; also after a crash, when a request is half released."""
        page = self._scheduler.page_size
        for batch in self._batches():
            for req in batch.reqs:
                if not req.kv_committed_freed and (self._old or req.req_pool_idx is not None):
                    stop = -(-req.kv_allocated_len // page) * page
                    yield stop, req.cache_protected_len, req.swa_evicted_seqlen

    def _batches(self) -> list[Any]:
        """The last batch and, where it is another one, the running one."""
        last, running = self._scheduler.last_batch, self._scheduler.running_batch
        return [last] if running is last or not running.reqs else [last, running]


def states_of(holder: Any) -> tuple[int, ...]:
    """The state slots that a request or session slot names: the running one, then its snapshots."""
    running, snapshots = holder.mamba_pool_idx, holder.mamba_ping_pong_track_buffer
    named = () if running is None else (int(running),)
    return named if snapshots is None else (*named, *snapshots.tolist())
