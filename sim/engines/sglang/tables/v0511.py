"""The import boundary of SGLang 0.5.11."""

from __future__ import annotations

from sim.engines.sglang.tables import shared
from sim.engines.sglang.tables.table import Table

_S = "sglang.srt."

TABLE = Table(
    version="0.5.11",
    executed=(
        *shared.EXECUTED,
        _S + "managers.embed_types",
        _S + "session.session_controller",
        _S + "session.streaming_session",
    ),
    answers=shared.ANSWERS,
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
    markers=(_S + "session.streaming_session",),
)
