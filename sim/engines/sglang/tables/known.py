"""What our releases have in the packages that account for memory, executed or not.

A module there that none of them has is what somebody's change has added: it is executed with the rest.
"""

from __future__ import annotations

_PACKAGES = {
    "managers": (
        "async_dynamic_batch_tokenizer cache_controller communicator configure_logging "
        "data_parallel_controller detokenizer_manager disagg_service embed_types hisparse_coordinator "
        "io_struct mm_utils multi_tokenizer_mixin multimodal_processor overlap_utils prefill_delayer "
        "schedule_batch schedule_policy scheduler scheduler_dp_attn_mixin scheduler_input_blocker "
        "scheduler_output_processor_mixin scheduler_pp_mixin scheduler_profiler_mixin scheduler_recv_skipper "
        "scheduler_runtime_checker_mixin scheduler_update_weights_mixin session_controller template_detection "
        "template_manager tokenizer_communicator_mixin tokenizer_control_mixin tokenizer_manager "
        "tokenizer_manager_score_mixin tp_worker utils"
    ),
    "mem_cache": (
        "allocator base_prefix_cache base_swa_memory_pool cache_init_params chunk_cache common cpp_radix_tree "
        "cpp_radix_tree.radix_tree deepseek_v4_compress_state deepseek_v4_memory_pool events evict_policy "
        "flush_cache hi_mamba_radix_cache hicache_storage hiradix_cache hisparse_memory_pool hybrid_cache "
        "hybrid_cache.hybrid_cache_controller hybrid_cache.hybrid_pool_assembler mamba_radix_cache "
        "memory_pool memory_pool_host multimodal_cache radix_cache radix_cache_cpp session_aware_cache "
        "sparsity sparsity.algorithms sparsity.algorithms.base_algorithm sparsity.algorithms.deepseek_nsa "
        "sparsity.algorithms.quest_algorithm sparsity.backend sparsity.backend.backend_adaptor sparsity.core "
        "sparsity.core.sparse_coordinator sparsity.factory storage storage.aibrix_kvcache "
        "storage.aibrix_kvcache.aibrix_kvcache_storage storage.aibrix_kvcache.unit_test "
        "storage.backend_factory storage.eic storage.eic.eic_storage storage.eic.test_unit storage.hf3fs "
        "storage.hf3fs.docs storage.hf3fs.hf3fs_client storage.hf3fs.hf3fs_usrbio_client "
        "storage.hf3fs.mini_3fs_metadata_server storage.hf3fs.storage_hf3fs storage.hf3fs.test_hf3fs_utils "
        "storage.lmcache storage.lmcache.lmc_radix_cache storage.lmcache.unit_test storage.mooncake_store "
        "storage.mooncake_store.embedding_cache_controller storage.mooncake_store.mooncake_embedding_store "
        "storage.mooncake_store.mooncake_store storage.mooncake_store.test_mooncake_store storage.nixl "
        "storage.nixl.hicache_nixl storage.nixl.nixl_utils storage.nixl.test_hicache_nixl_storage "
        "storage.simm storage.simm.hicache_simm storage.simm.test_simm swa_memory_pool swa_radix_cache "
        "unified_cache_components unified_cache_components.full_component "
        "unified_cache_components.mamba_component unified_cache_components.swa_component "
        "unified_cache_components.tree_component unified_radix_cache utils"
    ),
    "session": (
        "session_controller streaming_session"
    ),
    "speculative": (
        "adaptive_runtime_state adaptive_spec_params base_spec_worker cpp_ngram cpp_ngram.external_corpus "
        "cpp_ngram.ngram_corpus dflash_info dflash_utils dflash_worker draft_utils "
        "eagle_draft_cuda_graph_runner eagle_draft_extend_cuda_graph_runner eagle_info eagle_info_v2 "
        "eagle_utils eagle_worker eagle_worker_v2 external_corpus_manager frozen_kv_mtp_cuda_graph_runner "
        "frozen_kv_mtp_info frozen_kv_mtp_utils frozen_kv_mtp_worker frozen_kv_mtp_worker_v2 "
        "multi_layer_eagle_draft_extend_cuda_graph_runner multi_layer_eagle_utils multi_layer_eagle_worker "
        "multi_layer_eagle_worker_v2 ngram_info ngram_worker spec_info spec_registry spec_utils "
        "standalone_worker standalone_worker_v2 triton_ops triton_ops.fused_kv_materialize"
    ),
}
_KNOWN = {package: frozenset(names.split()) for package, names in _PACKAGES.items()}
_ROOT = "sglang.srt."


def is_new(module: str) -> bool:
    """Whether this is a module of one of these packages that none of our releases has."""
    package, _, name = module.removeprefix(_ROOT).partition(".")
    return module.startswith(_ROOT) and package in _KNOWN and bool(name) and name not in _KNOWN[package]
