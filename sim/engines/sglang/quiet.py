"""The scheduler class of the release without outputs and metrics: nothing of that accounts for memory."""

from __future__ import annotations

from typing import Any

QUIET = "Quiet"
OUTPUTS = (
    "stream_output", "stream_output_generation", "report_prefill_stats", "report_decode_stats", "log_prefill_stats",
    "log_decode_stats", "log_prefill_stats_late", "log_batch_result_stats", "update_spec_metrics",
    "update_device_timer", "reset_device_timer_window", "cancel_bubble_timer", "_publish_kv_events",
    "maybe_send_health_check_signal", "maybe_sleep_on_idle", "_maybe_log_idle_metrics", "_maybe_clear_mm_inputs",
    "_emit_forward_pass_metrics",
)  # fmt: skip


def _nothing(*_: Any, **__: Any) -> None:
    """Neither printed nor sent nor measured."""


def _no_tokens(*_: Any, **__: Any) -> int:
    return 0


def _same_batch(_: Any, batch: Any, *__: Any, **___: Any) -> Any:
    return batch


def quiet_scheduler(modules: Any) -> type:
    """The subclass that is driven; its `__init__` is never run."""
    base: Any = modules.scheduler.Scheduler

    class Quiet(base):  # type: ignore[misc]
        """A scheduler that tells its listener what befalls requests, and nobody else anything."""

        listener: Any
        forced: Any = None
        pausing = False

        def maybe_collect_routed_experts(self, req: Any) -> None:
            """Called once for a request that has ended, just before its memory is released."""
            self.listener.ended(req)

        def _add_request_to_queue(self, req: Any, is_retracted: bool = False) -> None:
            if is_retracted or self.pausing:
                self.listener.retracted.append(req.rid)
            self.listener.arrived = req
            super()._add_request_to_queue(req, is_retracted)

        def update_running_batch(self, batch: Any) -> Any:
            """The next decode step; a forced retract stands in the place of its memory test."""
            if self.forced is None:
                return super().update_running_batch(batch)
            return self.forced(super().update_running_batch, batch)

    Quiet.__name__ = QUIET
    for name in OUTPUTS:
        setattr(Quiet, name, _nothing)
    Quiet._get_num_pending_tokens = _no_tokens
    Quiet.maybe_prepare_mlp_sync_batch = _same_batch
    Quiet._maybe_prepare_ngram_embedding = _same_batch
    return Quiet
