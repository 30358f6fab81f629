"""The import boundary of SGLang 0.5.10.post1."""

from __future__ import annotations

from sim.engines.sglang.tables import shared
from sim.engines.sglang.tables.table import Table

_S = "sglang.srt."

TABLE = Table(
    version="0.5.10.post1",
    executed=(
        *shared.EXECUTED,
        _S + "managers.session_controller",
        _S + "mem_cache.session_aware_cache",
        _S + "mem_cache.hicache_storage",
    ),
    answers=shared.ANSWERS,
    replaced=shared.REPLACED,
    modules={
        **shared.MODULES,
        "session_controller": _S + "managers.session_controller",
        "streaming": _S + "mem_cache.session_aware_cache:SessionAwareCache",
    },
    revertible=(shared.IN_ALL,),
    not_revertible=tuple(
        (number, "this release is older than the fix") for number in shared.REVERTIBLE if number != shared.IN_ALL
    ),
    required=(
        *shared.REQUIRED,
        _S + "managers.scheduler:Scheduler._get_batch_uncached_size",
        _S + "mem_cache.session_aware_cache:SessionAwareCache.release_session",
        _S + "managers.session_controller:SessionController.maybe_reap",
        _S + "managers.session_controller:Session.create_req",
    ),
    markers=(_S + "mem_cache.session_aware_cache",),
)
