"""What the tables have in common."""

from __future__ import annotations

from sim.engines.sglang import kernels
from sim.engines.sglang.tables.table import Answer, Replaced
from sim.engines.sglang.tables.values import NoPenalties, Silent, no, nothing, zero

_S = "sglang.srt."

EXECUTED: tuple[str, ...] = tuple(
    _S + name
    for name in (
        "configs.mamba_utils", "constants", "disaggregation.decode_schedule_batch_mixin",
        "disaggregation.kv_events", "disaggregation.utils", "dllm.config", "dllm.mixin.req", "environ",
        "managers.io_struct", "managers.overlap_utils", "managers.prefill_delayer", "managers.schedule_batch",
        "managers.schedule_policy", "managers.scheduler", "managers.scheduler_output_processor_mixin",
        "managers.scheduler_runtime_checker_mixin", "managers.utils", "mem_cache.allocator",
        "mem_cache.base_prefix_cache", "mem_cache.cache_init_params", "mem_cache.chunk_cache", "mem_cache.common",
        "mem_cache.evict_policy", "mem_cache.mamba_radix_cache", "mem_cache.memory_pool", "mem_cache.radix_cache",
        "mem_cache.swa_memory_pool", "mem_cache.swa_radix_cache", "mem_cache.utils",
        "model_executor.forward_batch_info", "observability.req_time_stats",
        "sampling.sampling_batch_info", "sampling.sampling_params", "server_args", "speculative.eagle_info",
        "speculative.eagle_info_v2", "speculative.eagle_utils", "speculative.eagle_worker", "speculative.spec_info",
        "speculative.spec_utils", "utils", "utils.common", "utils.torch_memory_saver_adapter",
    )
)  # fmt: skip

ANSWERS: tuple[Answer, ...] = (
    Answer(
        name=_S + "distributed.get_tensor_model_parallel_rank", value=zero, reason="there is one rank",
    ),
    Answer(
        name=_S + "layers.attention.fla.chunk_delta_h.CHUNK_SIZE", value=64,
        reason="the grid on which a recurrent kernel can hand out its state; each run sets its own",
    ),
    Answer(
        name=_S + "distributed.parallel_state.get_tensor_model_parallel_rank", value=zero, reason="there is one rank",
    ),
    Answer(
        name=_S + "layers.attention.nsa.utils.is_nsa_prefill_cp_in_seq_split", value=no,
        reason="no context parallelism",
    ),
    Answer(
        name=_S + "layers.utils.cp_utils.is_prefill_context_parallel_enabled", value=no,
        reason="no context parallelism",
    ),
    Answer(name=_S + "observability.trace.TraceNullContext", value=Silent, reason="tracing reports, and is off"),
    Answer(name=_S + "observability.trace.TraceSliceContext", value=Silent, reason="tracing reports, and is off"),
    Answer(name=_S + "observability.trace.get_global_tracing_enabled", value=no, reason="tracing reports, and is off"),
    Answer(
        name=_S + "observability.scheduler_metrics_mixin.PrefillStats.from_adder", value=nothing,
        reason="figures for the log line of a prefill",
    ),
    Answer(
        name=_S + "sampling.penaltylib.BatchedPenalizerOrchestrator", value=NoPenalties,
        reason="it changes logits; no request asks for a penalty",
    ),
)  # fmt: skip

REPLACED: tuple[Replaced, ...] = (
    Replaced(
        name="torch:compile", make=kernels.uncompiled,
        reason="compiling needs a C++ compiler and seconds; the functions give the same uncompiled",
    ),
    Replaced(name="torch.cuda:is_available", make=kernels.no, reason="pools are on the CPU, also where there is a GPU"),
    Replaced(
        name="torch:tensor", make=kernels.unpinned, reason="pinned memory needs a GPU; the tensor is the same without",
    ),
    Replaced(
        name="torch:Tensor.pin_memory", make=kernels.itself, reason="pinned memory needs a GPU; it does without",
    ),
    *(
        Replaced(name=f"{_S}utils.common:is_{device}", make=kernels.no, reason="there is the CPU and nothing else")
        for device in ("cuda", "hip", "hpu", "xpu", "npu", "musa", "mps")
    ),
    Replaced(
        name=_S + "mem_cache.allocator:alloc_extend_kernel", make=kernels.alloc_extend,
        parameters=(
            "pre_lens_ptr", "seq_lens_ptr", "last_loc_ptr", "free_page_ptr", "out_indices", "bs_upper", "page_size",
        ),
        reason="a Triton kernel; the release's own loop alloc_extend_naive does the same",
    ),
    Replaced(
        name=_S + "mem_cache.allocator:alloc_decode_kernel", make=kernels.alloc_decode,
        parameters=("seq_lens_ptr", "last_loc_ptr", "free_page_ptr", "out_indices", "bs_upper", "page_size"),
        reason="a Triton kernel; five lines of torch",
    ),
    Replaced(
        name=_S + "speculative.spec_utils:assign_req_to_token_pool_func", make=kernels.assign_rows,
        parameters=("req_pool_indices", "req_to_token", "start_offset", "end_offset", "out_cache_loc", "batch_size"),
        reason="launches a Triton kernel; a loop over the requests",
    ),
    Replaced(
        name=_S + "speculative.spec_utils:assign_draft_cache_locs", make=kernels.assign_drafts,
        parameters=(
            "req_pool_indices", "req_to_token", "seq_lens", "extend_lens", "num_new_pages_per_topk", "out_cache_loc",
            "source_cache_loc", "target_cache_loc", "last_page_lens_cumsum", "duplicate_cache_len", "pool_len", "topk",
            "speculative_num_steps", "page_size", "bs_upper", "iter_upper",
        ),
        reason="a Triton kernel; a loop over the requests",
    ),
    Replaced(
        name=_S + "speculative.spec_utils:align_evict_mask_to_page_size", make=kernels.align_evict_mask,
        parameters=("seq_lens", "evict_mask", "page_size", "num_draft_tokens", "BLOCK_SIZE"),
        reason="a Triton kernel; a loop over the requests",
    ),
)  # fmt: skip

MODULES: dict[str, str] = {
    "environ": _S + "environ",
    "scheduler": _S + "managers.scheduler",
    "schedule_batch": _S + "managers.schedule_batch",
    "schedule_policy": _S + "managers.schedule_policy",
    "io": _S + "managers.io_struct",
    "managers_utils": _S + "managers.utils",
    "sampling_params": _S + "sampling.sampling_params",
    "server_args": _S + "server_args",
    "memory_pool": _S + "mem_cache.memory_pool",
    "allocator": _S + "mem_cache.allocator",
    "common": _S + "mem_cache.common",
    "cache_init_params": _S + "mem_cache.cache_init_params",
    "swa_memory_pool": _S + "mem_cache.swa_memory_pool",
    "radix_cache": _S + "mem_cache.radix_cache",
    "swa_radix_cache": _S + "mem_cache.swa_radix_cache",
    "mamba_radix_cache": _S + "mem_cache.mamba_radix_cache",
    "chunk_cache": _S + "mem_cache.chunk_cache",
    "spec_algorithm": _S + "speculative.spec_info:SpeculativeAlgorithm",
    "spec_utils": _S + "speculative.spec_utils",
    "eagle_info": _S + "speculative.eagle_info",
    "eagle_info_v2": _S + "speculative.eagle_info_v2",
    "eagle_worker": _S + "speculative.eagle_worker",
    "time_stats": _S + "observability.req_time_stats",
}

REVERTIBLE: tuple[int, ...] = (
    21404, 21875, 22273, 22651, 22753, 22790, 22862, 22897, 22900, 23327, 23496,
)  # fmt: skip
NOT_REVERTIBLE: tuple[tuple[int, str], ...] = ((22213, "no release has it; 22753 replaced it"),)
IN_ALL = 21404
"""The one of these fixes that every release has."""

_SCHEDULER = (
    "open_session", "close_session", "handle_generate_request", "abort_request", "pause_generation",
    "get_next_batch_to_run", "update_running_batch", "process_batch_result", "is_disable_overlap_for_batch",
    "init_running_status", "init_schedule_policy", "self_check_during_busy", "_session_held_tokens",
)  # fmt: skip

# What an engine, a ledger or a revert asks the release for by name.
REQUIRED: tuple[str, ...] = (
    *(f"{_S}managers.scheduler:Scheduler.{name}" for name in _SCHEDULER),
    _S + "managers.scheduler:PrefillAdder",
    _S + "managers.schedule_batch:Req.check_finished",
    _S + "managers.schedule_batch:Req.init_next_round_input",
    _S + "managers.schedule_batch:Req.reset_for_retract",
    _S + "managers.schedule_batch:ScheduleBatch.retract_decode",
    _S + "managers.schedule_batch:ScheduleBatch.check_decode_mem",
    _S + "managers.schedule_batch:FINISH_ABORT",
    _S + "managers.schedule_policy:PrefillAdder.add_one_req",
    _S + "managers.io_struct:TokenizedGenerateReqInput",
    _S + "managers.io_struct:OpenSessionReqInput",
    _S + "managers.utils:GenerationBatchResult",
    _S + "sampling.sampling_params:SamplingParams",
    _S + "server_args:ServerArgs",
    _S + "mem_cache.memory_pool:ReqToTokenPool",
    _S + "mem_cache.allocator:TokenToKVPoolAllocator.free",
    _S + "mem_cache.allocator:PagedTokenToKVPoolAllocator.alloc_extend",
    _S + "mem_cache.allocator:alloc_extend_naive",
    _S + "mem_cache.common:release_kv_cache",
    _S + "mem_cache.cache_init_params:CacheInitParams",
    _S + "mem_cache.radix_cache:RadixCache.match_prefix",
    _S + "mem_cache.chunk_cache:ChunkCache",
    _S + "mem_cache.chunk_cache:SWAChunkCache",
    _S + "mem_cache.memory_pool:HybridReqToTokenPool.free_mamba_cache",
    _S + "mem_cache.memory_pool:MambaPool.copy_from",
    _S + "mem_cache.swa_memory_pool:SWAKVPool.register_mapping",
    _S + "mem_cache.swa_memory_pool:SWATokenToKVPoolAllocator.free_swa",
    _S + "mem_cache.swa_radix_cache:SWARadixCache.sanity_check",
    _S + "mem_cache.mamba_radix_cache:MambaRadixCache.sanity_check",
    _S + "managers.schedule_batch:ScheduleBatch.maybe_evict_swa",
    _S + "speculative.spec_info:SpeculativeAlgorithm",
    _S + "speculative.eagle_info:EagleVerifyInput.verify",
    _S + "speculative.eagle_info_v2:EagleDraftInputV2Mixin.prepare_for_decode",
    _S + "speculative.eagle_worker:EAGLEWorker._draft_preprocess_decode",
)
