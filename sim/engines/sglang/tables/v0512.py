"""The import boundary of SGLang 0.5.12."""

from __future__ import annotations

from sim.engines.sglang.tables import shared
from sim.engines.sglang.tables.table import Answer, Table
from sim.engines.sglang.tables.values import Never, nothing

_S = "sglang.srt."

TABLE = Table(
    version="0.5.12",
    executed=(
        *shared.EXECUTED,
        _S + "managers.embed_types",
        _S + "mem_cache.base_swa_memory_pool",
        _S + "mem_cache.events",
        _S + "session.session_controller",
        _S + "session.streaming_session",
        _S + "speculative.spec_registry",
    ),
    answers=(
        *shared.ANSWERS,
        Answer(
            name=_S + "mem_cache.hisparse_memory_pool.DeepSeekV4HiSparseTokenToKVPoolAllocator",
            value=Never,
            reason="the pools are plain ones",
        ),
        Answer(
            name=_S + "state_capturer.indexer_topk.get_global_indexer_capturer",
            value=nothing,
            reason="nothing is captured",
        ),
        Answer(
            name=_S + "state_capturer.routed_experts.get_global_experts_capturer",
            value=nothing,
            reason="nothing is captured",
        ),
    ),
    replaced=shared.REPLACED,
    modules={
        **shared.MODULES,
        "session_controller": _S + "session.session_controller",
        "streaming": _S + "session.streaming_session:StreamingSession",
    },
    revertible=shared.REVERTIBLE,
    not_revertible=shared.NOT_REVERTIBLE,
    required=(
        *shared.REQUIRED,
        _S + "managers.scheduler:Scheduler._get_total_uncached_sizes",
        _S + "session.streaming_session:StreamingSession.release_session",
        _S + "session.session_controller:SessionController.maybe_reap",
        _S + "session.session_controller:Session.create_req",
    ),
    markers=(
        _S + "session.streaming_session",
        _S + "mem_cache.events",
    ),
)
