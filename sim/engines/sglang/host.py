"""A scheduler of the release, made without its constructor: no model, no GPU, no sockets."""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from types import SimpleNamespace
from typing import Any

import torch

from sim.config import RunConfig
from sim.engines.sglang.arguments import defaults, server_args, set_environment, set_server_args
from sim.engines.sglang.checks import hear_idle_failures
from sim.engines.sglang.clock import Clock
from sim.engines.sglang.events import Events, Removals, listening_adder
from sim.engines.sglang.pools import set_pools
from sim.engines.sglang.quiet import quiet_scheduler
from sim.world import VOCABULARY_BITS

_HOSTS: dict[int, Host] = {}


def host_of(modules: Any) -> Host:
    """The host of these modules: one per process."""
    if id(modules) not in _HOSTS:
        _HOSTS[id(modules)] = Host(modules)
    return _HOSTS[id(modules)]


class _NoGrammar:
    """Where requests would wait for their grammars."""

    grammar_queue: tuple[()] = ()

    def has_waiting_grammars(self) -> bool:
        """Never."""
        return False

    def process_req_with_grammar(self, req: Any) -> bool:
        """It has none."""
        return False

    def abort_requests(self, message: Any) -> None:
        """Nothing waits."""

    def __len__(self) -> int:
        return 0


class Host:
    """What all schedulers of this process share: the patched classes, the clock, and whose settings are in force."""

    def __init__(self, modules: Any) -> None:
        self.modules = modules
        # Tensors of a few dozen numbers: a second thread only has to be waited for, for milliseconds on a busy machine.
        torch.set_num_threads(1)
        self.clock = Clock()
        self.clock.install()
        self.defaults = defaults(modules)
        self.kind = quiet_scheduler(modules)
        self.master: Any = None
        modules.scheduler.PrefillAdder = listening_adder(modules)
        hear_idle_failures(modules)
        self._parameters = {f.name for f in dataclasses.fields(modules.cache_init_params.CacheInitParams)}

    def take_over(self, scheduler: Any) -> None:
        """Put this scheduler's settings in force: the release keeps them in globals."""
        modules = self.modules
        self.master = scheduler
        set_server_args(modules, scheduler.server_args)
        set_environment(modules, scheduler.run_config)
        modules.schedule_policy.random = scheduler.random

    def make(self, config: RunConfig) -> Any:
        """A fresh scheduler."""
        modules, knobs = self.modules, config.scheduler
        made: Any = object.__new__(self.kind)
        made.run_config = config
        made.server_args = server_args(self.defaults, config)
        made.random = random.Random(config.seed)
        made.listener = Events()
        self.take_over(made)
        self.clock.set(0.0)
        spec = knobs.speculative
        made.enable_overlap, made.enable_overlap_mlx = knobs.overlap, False
        made.disaggregation_mode = modules.scheduler.DisaggregationMode.NULL
        made.spec_algorithm = modules.spec_algorithm.EAGLE if spec else modules.spec_algorithm.NONE
        made.enable_hisparse = False
        made.is_generation, made.device = True, "cpu"
        set_pools(modules, made, config, self._parameters)
        self._limits(made, config)
        self._surroundings(made)
        return made

    def _limits(self, made: Any, config: RunConfig) -> None:
        """Running status, queue, limits, policy: the real initialisers where they can run."""
        knobs = config.scheduler
        made.init_running_status()
        made.session_controller.sessions = Removals()
        made.chunked_prefill_size = knobs.chunked_prefill
        made.chunked_req = None
        made._chunked_req_scheduled_last_iter = False
        made.is_mixed_chunk = knobs.mixed_chunk and knobs.chunked_prefill is not None
        made.enable_dynamic_chunking = False
        made.schedule_policy = knobs.policy
        made.enable_hierarchical_cache = made.enable_hicache_storage = False
        made.enable_priority_scheduling = knobs.priority
        made.schedule_low_priority_values_first = knobs.low_priority_first
        made.priority_scheduling_preemption_threshold = knobs.preemption_threshold
        made.abort_on_priority_when_disabled = False
        made.dp_size = made.pp_size = made.tp_size = 1
        made.tp_rank = made.pp_rank = made.attn_cp_rank = made.attn_tp_rank = made.dp_rank = 0
        made.init_schedule_policy()
        made.max_prefill_tokens, made.max_running_requests = knobs.max_prefill_tokens, knobs.max_running
        made.max_req_len, made.max_req_input_len = config.max_req_len, config.max_req_input_len
        made.max_queued_requests = knobs.max_queued
        made.result_queue = deque()

    def _surroundings(self, made: Any) -> None:
        """What has nothing to do with memory."""
        made.model_config = SimpleNamespace(
            vocab_size=1 << VOCABULARY_BITS, hf_eos_token_id=None, is_matryoshka=False, is_encoder_decoder=False,
            think_end_id=None, is_multimodal=False, hidden_size=1, spec_hidden_size=1, num_key_value_heads=1,
            dtype=torch.float32,
        )  # fmt: skip
        made.dllm_config = made.hisparse_coordinator = made.truncation_align_size = None
        made.dllm_manager = SimpleNamespace(any_staging_reqs=lambda: False)
        made.enable_fpm = made.enable_lora = made.enable_metrics = made.require_mlp_sync = False
        made.current_scheduler_metrics_enabled = False
        made.grammar_manager = _NoGrammar()
        made.send_to_tokenizer = SimpleNamespace(send_output=made.listener.told)
        made.tokenizer = made.pad_input_ids_func = made._think_end_id = None
        made.num_generated_tokens = made.forward_ct_decode = 0
        made.external_corpus_manager = made.recv_from_rpc = made.lora_drainer = None
        made.idle_sleeper = made.decode_offload_manager = None
        made.idle_failure = None
