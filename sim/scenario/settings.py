"""The keys of a scenario that configure a run: release, pool, scheduler, latency, bound."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from sim.config import (
    EvictionName,
    LatencyConfig,
    PoolConfig,
    QueueName,
    SchedulerConfig,
    SpeculativeConfig,
    TestRetractConfig,
)
from sim.scenario.parts import Count, Duration, Factor, Natural, Part, PositiveDuration, Text, whole
from sim.scenario.pools import PoolPart

_POOL = PoolConfig(tokens=8)
_SCHEDULER = SchedulerConfig()
_LATENCY = LatencyConfig()
_SPECULATIVE = SpeculativeConfig()
_TEST_RETRACT = TestRetractConfig()

DEFAULT_RELEASE = "sglang-0.5.11"

Change = Annotated[int, whole(1, example="22862")]


class Speculative(Part):
    """EAGLE-style speculation: v2 under overlap, v1 without."""

    algorithm: Literal["eagle"] = Field(default="eagle", description="The algorithm.", examples=["eagle"])
    steps: Annotated[int, whole(1, 64, "3")] = Field(
        default=_SPECULATIVE.steps, description="Draft steps of one round.", examples=[3]
    )
    topk: Annotated[int, whole(1, 64, "1")] = Field(
        default=_SPECULATIVE.topk, description="Branches of each draft step; 1 under overlap.", examples=[1]
    )
    draft: Annotated[int, whole(1, 4096, "4")] | None = Field(
        default=None, description="Tokens verified in one round; with topk 1 always steps + 1.", examples=[4]
    )


class TestRetract(Part):
    """Retract every few forward passes, as SGLANG_TEST_RETRACT does."""

    __test__ = False

    interval: Count = Field(
        default=_TEST_RETRACT.interval, description="Forward passes between.", examples=[3]
    )
    no_prefill_batch: Annotated[int, whole(1, 1 << 31)] = Field(
        default=_TEST_RETRACT.no_prefill_batch,
        description="No prefill while the running batch is at least this large.",
        examples=[64],
    )


class Scheduler(Part):
    """The scheduler's knobs that touch memory, named after SGLang's server arguments."""

    max_running: Annotated[int, whole(1, 1 << 24, "64")] | None = Field(
        default=None, description="Running requests at most; default 64, or the rows if fewer.", examples=[64]
    )
    chunked_prefill: Count | None = Field(
        default=_SCHEDULER.chunked_prefill,
        description="Tokens of one prefill chunk; null: whole prompts.",
        examples=[512],
    )
    max_prefill_tokens: Count = Field(
        default=_SCHEDULER.max_prefill_tokens, description="Prefill tokens of one batch.", examples=[16384]
    )
    max_queued: Count | None = Field(
        default=_SCHEDULER.max_queued,
        description="Waiting requests at most; null: any number.",
        examples=[128],
    )
    overlap: bool = Field(default=_SCHEDULER.overlap, description="Overlap scheduling.", examples=[True])
    consecutive_prefill_overlap: bool = Field(
        default=_SCHEDULER.consecutive_prefill_overlap,
        description="Overlap also between two prefill batches in a row.",
        examples=[True],
    )
    mixed_chunk: bool = Field(
        default=_SCHEDULER.mixed_chunk, description="Decode along with a prefill chunk.", examples=[False]
    )
    radix: bool = Field(
        default=_SCHEDULER.radix, description="The prefix tree; false: chunk cache.", examples=[True]
    )
    eviction: EvictionName = Field(
        default="lru", description="Order in which the tree evicts leaves.", examples=["lru"]
    )
    policy: QueueName = Field(
        default="fcfs", description="Order in which waiting requests are tried.", examples=["fcfs"]
    )
    priority: bool = Field(
        default=_SCHEDULER.priority, description="Sort by priority first.", examples=[False]
    )
    preemption: bool = Field(
        default=_SCHEDULER.preemption,
        description="Retract running requests of lower priority.",
        examples=[False],
    )
    low_priority_first: bool = Field(
        default=_SCHEDULER.low_priority_first, description="A lower number is more urgent.", examples=[False]
    )
    preemption_threshold: Natural = Field(
        default=_SCHEDULER.preemption_threshold,
        description="Difference above which one preempts.",
        examples=[10],
    )
    conservativeness: Factor = Field(
        default=_SCHEDULER.conservativeness, description="Scales the new-token ratio.", examples=[1.0]
    )
    clip_max_new_tokens: Count = Field(
        default=_SCHEDULER.clip_max_new_tokens,
        description="Estimate at most this many new tokens.",
        examples=[4096],
    )
    retract_steps: Natural = Field(
        default=_SCHEDULER.retract_steps,
        description="Decode steps that a retraction makes room for.",
        examples=[20],
    )
    test_retract: TestRetract | None = Field(
        default=None,
        description="Retract every few passes; null: off.",
        examples=[{"interval": 3}],
    )
    speculative: Speculative | None = Field(
        default=None,
        description="Speculative decoding; null: off.",
        examples=[{"steps": 3}],
    )
    waiting_timeout: PositiveDuration | None = Field(
        default=_SCHEDULER.waiting_timeout,
        description="Abort what waits longer; null: never.",
        examples=["30s"],
    )
    running_timeout: PositiveDuration | None = Field(
        default=_SCHEDULER.running_timeout,
        description="Abort what runs longer; null: never.",
        examples=["5m"],
    )
    busy_check: Annotated[int, whole(0, 2, "1")] = Field(
        default=_SCHEDULER.busy_check,
        description="The release's own busy check: 0 off, 1 on, 2 logs.",
        examples=[1],
    )
    idle_check: Literal["raise", "warn"] = Field(
        default=_SCHEDULER.idle_check,
        description="What the release does when idle books are off.",
        examples=["warn"],
    )
    session_gate: bool = Field(
        default=_SCHEDULER.session_gate,
        description="0.5.10 refuses streaming sessions with speculation under overlap.",
        examples=[True],
    )


class Latency(Part):
    """What an iteration costs in simulated time."""

    prefill_base: Duration = Field(
        default=_LATENCY.prefill_base, description="Seconds of any prefill.", examples=["10ms"]
    )
    prefill_per_token: Duration = Field(
        default=_LATENCY.prefill_per_token, description="Seconds per prefilled token.", examples=["50us"]
    )
    decode_base: Duration = Field(
        default=_LATENCY.decode_base, description="Seconds of any decode.", examples=["8ms"]
    )
    decode_per_request: Duration = Field(
        default=_LATENCY.decode_per_request, description="Seconds per decoding request.", examples=["100us"]
    )
    idle: PositiveDuration = Field(
        default=_LATENCY.idle, description="Seconds of an iteration that does nothing.", examples=["1ms"]
    )


class UntilPart(Part):
    """Where a run ends at the latest."""

    time: PositiveDuration | None = Field(default=None, description="Simulated time.", examples=["60s"])
    iterations: Count | None = Field(default=None, description="Iterations of the loop.", examples=[5000])


def _until(value: Any) -> str:
    return "UntilPart" if isinstance(value, dict) else "Time"


class SettingsPart(Part):
    """What a variant may set in its own way; mappings are merged key by key."""

    release: Text = Field(
        default=DEFAULT_RELEASE, description="The release to model.", examples=[DEFAULT_RELEASE]
    )
    revert: list[Change] = Field(default=[], description="Upstream changes to take out.", examples=[[22862]])
    add: list[Change] = Field(default=[], description="Upstream changes to put in.", examples=[[22213]])
    decide: dict[str, Text] = Field(
        default={}, description="Single decisions, by name.", examples=[{"abort": "save"}]
    )
    seed: Annotated[int, whole(0, (1 << 63) - 1, "1")] = Field(
        default=0, description="Seed of everything that is drawn.", examples=[1]
    )
    model: Text = Field(
        default=_POOL.model, description="Preset that sizes the KV tensor.", examples=["llama-3-8b"]
    )
    pool: PoolPart | None = Field(
        default=None, description="The KV pool and its rows.", examples=[{"tokens": 1000}]
    )
    scheduler: Scheduler = Field(
        default=Scheduler(), description="The scheduler's knobs.", examples=[{"overlap": True}]
    )
    latency: Latency = Field(
        default=Latency(), description="What an iteration costs.", examples=[{"decode_base": "8ms"}]
    )
    until: (
        Annotated[
            Annotated[PositiveDuration, Tag("Time")] | Annotated[UntilPart, Tag("UntilPart")],
            Discriminator(_until),
        ]
        | None
    ) = Field(
        default=None,
        description="Where the run ends at the latest; null: when all is done.",
        examples=["60s"],
    )
