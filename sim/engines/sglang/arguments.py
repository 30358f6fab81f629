"""The server arguments, environment and constants of the release, for one configuration."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from sim.config import RunConfig

NO_TEST_RETRACT_BATCH = 1 << 31


def defaults(modules: Any) -> Any:
    """Server arguments as the dataclass declares them, without what its constructor finds out about the machine."""
    kind = modules.server_args.ServerArgs
    made = object.__new__(kind)
    for field in dataclasses.fields(kind):
        value: Any = None
        if field.default is not dataclasses.MISSING:
            value = field.default
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        object.__setattr__(made, field.name, value)
    return made


def server_args(plain: Any, config: RunConfig) -> Any:
    """The arguments that such a server would be started with; `plain` are the defaults."""
    knobs, pool = config.scheduler, config.pool
    made = copy.copy(plain)
    spec = knobs.speculative
    values: dict[str, Any] = {
        "attention_backend": "torch_native", "device": "cpu", "disaggregation_mode": "null",
        "enable_streaming_session": True, "schedule_conservativeness": knobs.conservativeness,
        "page_size": pool.page_size, "tp_size": 1, "pp_size": 1,
        "pp_max_micro_batch_size": knobs.max_running, "chunked_prefill_size": knobs.chunked_prefill or -1,
        "enable_mixed_chunk": knobs.mixed_chunk, "disable_overlap_schedule": not knobs.overlap,
        "max_running_requests": knobs.max_running, "disable_radix_cache": not knobs.radix,
        "radix_eviction_policy": knobs.eviction, "max_queued_requests": knobs.max_queued,
        "schedule_policy": knobs.policy,
        "enable_priority_scheduling": knobs.priority, "disable_priority_preemption": not knobs.preemption,
        "schedule_low_priority_values_first": knobs.low_priority_first, "max_prefill_tokens": knobs.max_prefill_tokens,
        "priority_scheduling_preemption_threshold": knobs.preemption_threshold, "enable_prefill_delayer": False,
        "mamba_scheduler_strategy": pool.mamba.strategy if pool.mamba else "no_buffer",
        "mamba_track_interval": pool.mamba.track_interval if pool.mamba else 256,
        "speculative_algorithm": "EAGLE" if spec else None,
        "speculative_num_steps": spec.steps if spec else None, "speculative_eagle_topk": spec.topk if spec else None,
        "speculative_num_draft_tokens": spec.draft if spec else None,
    }  # fmt: skip
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def set_environment(modules: Any, config: RunConfig) -> None:
    """What the release reads from its environment, once or at every look."""
    knobs = config.scheduler
    testing = knobs.test_retract
    looked_up: dict[str, Any] = {
        "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_BUSY": knobs.busy_check,
        "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_IDLE": knobs.idle_check == "raise",
        "SGLANG_DISABLE_CONSECUTIVE_PREFILL_OVERLAP": not knobs.consecutive_prefill_overlap,
        "SGLANG_REQ_WAITING_TIMEOUT": -1 if knobs.waiting_timeout is None else knobs.waiting_timeout,
        "SGLANG_REQ_RUNNING_TIMEOUT": -1 if knobs.running_timeout is None else knobs.running_timeout,
        "SGLANG_RETRACT_DECODE_STEPS": knobs.retract_steps,
        "SGLANG_ENABLE_SPEC_V2": knobs.spec_v2,
    }
    envs = modules.environ.envs
    if config.pool.swa and hasattr(envs, "SGLANG_SWA_EVICTION_INTERVAL_MULTIPLIER"):
        looked_up["SGLANG_SWA_EVICTION_INTERVAL_MULTIPLIER"] = config.pool.swa.eviction_multiplier
    for name, value in looked_up.items():
        getattr(envs, name).get = lambda value=value: value
    for module in (modules.schedule_batch, modules.server_args):
        module.FLA_CHUNK_SIZE = config.pool.mamba.chunk if config.pool.mamba else 64
    scheduler = modules.scheduler
    scheduler.TEST_RETRACT = testing is not None
    scheduler.TEST_RETRACT_INTERVAL = testing.interval if testing else 3
    scheduler.TEST_RETRACT_NO_PREFILL_BS = testing.no_prefill_batch if testing else NO_TEST_RETRACT_BATCH
    modules.schedule_policy.CLIP_MAX_NEW_TOKENS = knobs.clip_max_new_tokens


def set_server_args(modules: Any, made: Any) -> None:
    """The release keeps its arguments in a global of the process."""
    modules.server_args._global_server_args = made
    setter = getattr(modules.server_args, "set_global_server_args_for_scheduler", None)
    if setter is not None:
        setter(made)
