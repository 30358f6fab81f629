"""Rows, pools and prefix cache of one scheduler, chosen as the release's model runner and scheduler choose them.

The tensors behind full and windowed slots are left out: nothing that counts looks at them. The states of the recurrent
layers are a few numbers for each slot, so that copies and zeroing are the release's own.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from sim.config import PoolConfig, RunConfig

STATE_WORDS = 3
"""Numbers in the state of one slot: who wrote it, up to which position, and the token there."""


def set_pools(modules: Any, made: Any, config: RunConfig, parameters: set[str]) -> None:
    """Give a scheduler its pools and its prefix cache; `parameters` are what its release's caches are told."""
    pool = config.pool
    made.page_size, made.max_total_num_tokens = pool.page_size, pool.tokens
    made.is_hybrid_swa, made.is_hybrid_ssm = pool.swa is not None, pool.mamba is not None
    made.sliding_window_size = pool.swa.window if pool.swa else None
    if pool.swa:
        made.full_tokens_per_layer, made.swa_tokens_per_layer = pool.tokens, pool.swa.tokens
    made.req_to_token_pool = _rows(modules, config)
    made.token_to_kv_pool_allocator = _allocator(modules, pool)
    made.tree_cache = modules.streaming(_cache(modules, made, config, parameters))
    made.tree_cache.inner.listener = made.tree_cache.listener = made.listener


def _rows(modules: Any, config: RunConfig) -> Any:
    pool, kinds = config.pool, modules.memory_pool
    common = {"size": pool.rows, "max_context_len": config.row_width, "device": "cpu", "enable_memory_saver": False}
    if pool.mamba is None:
        return kinds.ReqToTokenPool(**common)
    shapes = SimpleNamespace(conv=[], temporal=(STATE_WORDS, 1, 1))
    types = SimpleNamespace(conv=torch.int64, temporal=torch.int64)
    return kinds.HybridReqToTokenPool(
        **common, mamba_size=pool.mamba.slots, mamba_spec_state_size=pool.rows,
        cache_params=SimpleNamespace(shape=shapes, dtype=types, layers=[0]), mamba_layer_ids=[0],
        enable_mamba_extra_buffer=pool.mamba.strategy == "extra_buffer",
        enable_overlap_schedule=config.scheduler.overlap,
    )  # fmt: skip


def _allocator(modules: Any, pool: PoolConfig) -> Any:
    if pool.swa is not None:
        kinds = modules.swa_memory_pool
        tensors = object.__new__(kinds.SWAKVPool)
        tensors.full_kv_pool = tensors.swa_kv_pool = None
        return kinds.SWATokenToKVPoolAllocator(
            pool.tokens, pool.swa.tokens, pool.page_size, torch.float16, "cpu", tensors, False
        )
    if pool.page_size == 1:
        return modules.allocator.TokenToKVPoolAllocator(pool.tokens, torch.float16, "cpu", None, False)
    return modules.allocator.PagedTokenToKVPoolAllocator(
        pool.tokens, pool.page_size, torch.float16, "cpu", None, False
    )  # fmt: skip


def _cache(modules: Any, made: Any, config: RunConfig, parameters: set[str]) -> Any:
    pool, knobs = config.pool, config.scheduler
    wanted = {
        "disable": not knobs.radix, "req_to_token_pool": made.req_to_token_pool,
        "token_to_kv_pool_allocator": made.token_to_kv_pool_allocator, "page_size": pool.page_size,
        "is_eagle": knobs.speculative is not None, "eviction_policy": knobs.eviction,
        "chunked_prefill_size": knobs.chunked_prefill, "sliding_window_size": made.sliding_window_size,
        "enable_mamba_extra_buffer": made.server_args.enable_mamba_extra_buffer(),
    }  # fmt: skip
    params = modules.cache_init_params.CacheInitParams(
        **{name: value for name, value in wanted.items() if name in parameters}
    )
    if not knobs.radix and knobs.chunked_prefill is not None:
        kinds = modules.chunk_cache
        return kinds.SWAChunkCache(params) if pool.swa else kinds.ChunkCache(params)
    if pool.swa:
        return modules.swa_radix_cache.SWARadixCache(params)
    if pool.mamba:
        return modules.mamba_radix_cache.MambaRadixCache(params)
    return modules.radix_cache.RadixCache(params)
