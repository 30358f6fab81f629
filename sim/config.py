"""What a run is configured with: frozen, keyword-only, built once at the edge and handed down.

Names follow SGLang's server arguments where there is one; sizes are in tokens, times in seconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Audit = Literal["off", "idle", "step", "event"]
EvictionName = Literal["lru", "lfu", "fifo", "mru", "filo", "priority", "slru"]
QueueName = Literal["fcfs", "lpm", "dfs-weight", "lof", "random"]


@dataclass(frozen=True, kw_only=True)
class SwaConfig:
    """The pool of the layers that look back a window only: its size, the window, how often what left it is freed."""

    tokens: int
    window: int
    eviction_multiplier: float = 1.0


@dataclass(frozen=True, kw_only=True)
class MambaConfig:
    """The recurrent states: how many, when a request's state is kept for others, and on which grid."""

    slots: int
    strategy: Literal["no_buffer", "extra_buffer"] = "no_buffer"
    track_interval: int = 256
    chunk: int = 64


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """The full KV pool, the rows that name its slots, and the pools of the other kinds of layers."""

    tokens: int
    page_size: int = 1
    rows: int = 64
    context: int = 4096
    model: str = "tiny"
    swa: SwaConfig | None = None
    mamba: MambaConfig | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The pools that there are."""
        return tuple(self.sizes)

    @property
    def sizes(self) -> dict[str, int]:
        """How large each pool is: in tokens, the states by number."""
        sizes = {"full": self.tokens}
        if self.swa is not None:
            sizes["swa"] = self.swa.tokens
        if self.mamba is not None:
            sizes["mamba"] = self.mamba.slots
        return sizes


@dataclass(frozen=True, kw_only=True)
class SpeculativeConfig:
    """EAGLE-style speculation: v1 without overlap (or topk > 1), v2 with it."""

    algorithm: Literal["eagle"] = "eagle"
    steps: int = 3
    topk: int = 1
    draft: int = 4

    @property
    def alloc_len(self) -> int:
        """Slots that one round may need: the A of the documents."""
        return max(self.steps * self.topk, self.draft)

    @property
    def longest_accepted(self) -> int:
        """Tokens that a round can accept at most: one branch of drafts, and the bonus token."""
        return min(self.draft, self.steps + 1)


@dataclass(frozen=True, kw_only=True)
class TestRetractConfig:
    """SGLANG_TEST_RETRACT: retract every `interval` forward passes."""

    __test__ = False

    interval: int = 3
    no_prefill_batch: int = 1 << 31


@dataclass(frozen=True, kw_only=True)
class SchedulerConfig:
    """The scheduler's knobs (server arguments and environment) that touch memory."""

    max_running: int = 64
    chunked_prefill: int | None = None
    max_prefill_tokens: int = 16384
    max_queued: int | None = None
    overlap: bool = True
    consecutive_prefill_overlap: bool = True
    mixed_chunk: bool = False
    radix: bool = True
    eviction: EvictionName = "lru"
    policy: QueueName = "fcfs"
    priority: bool = False
    preemption: bool = False
    low_priority_first: bool = False
    preemption_threshold: int = 10
    conservativeness: float = 1.0
    clip_max_new_tokens: int = 4096
    retract_steps: int = 20
    test_retract: TestRetractConfig | None = None
    speculative: SpeculativeConfig | None = None
    waiting_timeout: float | None = None
    running_timeout: float | None = None
    busy_check: int = 1
    idle_check: Literal["raise", "warn"] = "warn"
    session_gate: bool = True

    @property
    def preempts(self) -> bool:
        """Whether running requests give way to waiting ones of higher priority."""
        return self.preemption and self.priority

    @property
    def spec_v2(self) -> bool:
        """Speculation under overlap scheduling."""
        return self.speculative is not None and self.overlap

    @property
    def spec_v1(self) -> bool:
        """Speculation without overlap."""
        return self.speculative is not None and not self.overlap


@dataclass(frozen=True, kw_only=True)
class LatencyConfig:
    """What an iteration costs in simulated time."""

    prefill_base: float = 0.010
    prefill_per_token: float = 0.000_05
    decode_base: float = 0.008
    decode_per_request: float = 0.000_1
    idle: float = 0.001

    def of(self, prefill_tokens: int, decode_requests: int) -> float:
        """Seconds of one iteration that prefills and decodes this much."""
        seconds = 0.0
        if prefill_tokens:
            seconds += self.prefill_base + self.prefill_per_token * prefill_tokens
        if decode_requests:
            seconds += self.decode_base + self.decode_per_request * decode_requests
        return seconds or self.idle


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything an engine needs to know before its first operation."""

    pool: PoolConfig
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    latency: LatencyConfig = field(default_factory=LatencyConfig)
    seed: int = 0
    device: str = "cpu"
    audit: Audit = "idle"

    @property
    def row_width(self) -> int:
        """Positions of one row: the context, four spare ones, and the drafts."""
        spec = self.scheduler.speculative
        return self.pool.context + 4 + (spec.draft if spec else 0)

    @property
    def max_req_len(self) -> int:
        """The longest request, prompt and output together."""
        return min(self.pool.context - 1, self.pool.tokens - 1)

    @property
    def max_req_input_len(self) -> int:
        """A prompt of this length or more is refused on arrival."""
        return self.max_req_len - 5

    def spelled(self) -> dict[str, Any]:
        """As JSON in what a run leaves; of pools only those that there are."""
        data = asdict(self)
        for name in ("swa", "mamba"):
            if data["pool"][name] is None:
                del data["pool"][name]
        return data
