"""The keys of a scenario under `pool`: the full KV pool, its rows, the windowed pool, the recurrent states."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.config import MambaConfig, PoolConfig, SchedulerConfig, SwaConfig
from sim.memory.presets import PRESETS
from sim.scenario.parts import Count, Part, Read, whole
from sim.scenario.values import above_zero

_POOL = PoolConfig(tokens=8)
_SWA = SwaConfig(tokens=8, window=8)
_MAMBA = MambaConfig(slots=1)
DEFAULT_WINDOW = 128
SMALLEST_POOL = 8
"""Below this no prompt is shorter than max_req_input_len."""
EITHER = (frozenset(("tokens", "ratio")),)
"""Keys of one mapping of which a variant's own replaces the other: how large the windowed pool is."""
_PER_REQUEST = {"no_buffer": 3, "extra_buffer": 4}
"""State slots that the release reckons with for each running request; one more under overlap with extra_buffer."""

PoolTokens = Annotated[int, whole(SMALLEST_POOL, (1 << 31) - 1, "1000")]


def _above_zero(most: float, example: str) -> Read:
    schema = {"type": "number", "exclusiveMinimum": 0, "maximum": most}
    return Read(lambda value: above_zero(value, most, example), schema)


Ratio = Annotated[float, _above_zero(1, "0.8")]
Multiplier = Annotated[float, _above_zero(1000, "1.0")]


class SwaPart(Part):
    """The pool of the layers that look back a window only."""

    tokens: PoolTokens | None = Field(
        default=None,
        description="Slots of the windowed pool, in tokens; in place of `ratio`, also of the base's.",
        examples=[800],
    )
    ratio: Ratio | None = Field(
        default=None, description="Its size as a share of `tokens` of the full pool; default 0.8.", examples=[0.8]
    )
    window: Count | None = Field(
        default=None, description="Tokens that such a layer looks back; default: the model's, else 128.", examples=[128]
    )
    eviction_multiplier: Multiplier = Field(
        default=_SWA.eviction_multiplier,
        description="Windows between two passes that free what left the window; 0.5.11 only.",
        examples=[1.0],
    )


class MambaPart(Part):
    """The pool of recurrent states; a variant may give some of it."""

    slots: Annotated[int, whole(1, 1 << 24, "24")] | None = Field(
        default=None, description="State slots.", examples=[24]
    )
    strategy: Literal["no_buffer", "extra_buffer"] = Field(
        default=_MAMBA.strategy,
        description="no_buffer: one state per request; extra_buffer: also snapshots for the tree.",
        examples=["extra_buffer"],
    )
    track_interval: Count = Field(
        default=_MAMBA.track_interval,
        description="Decoded tokens between two snapshots; extra_buffer only.",
        examples=[256],
    )
    chunk: Count | None = Field(
        default=None,
        description="Grid of snapshots in a prompt, extra_buffer only; default: 64, or the page if larger.",
        examples=[64],
    )


class Mamba(MambaPart):
    """The pool of recurrent states."""

    slots: Annotated[int, whole(1, 1 << 24, "24")] = Field(description="State slots.", examples=[24])


class PoolPart(Part):
    """The full KV pool and the rows that name its slots; a variant may give some of it."""

    tokens: PoolTokens | None = Field(
        default=None, description="Slots of the KV pool, in tokens.", examples=[1000]
    )
    page_size: Annotated[int, whole(1, 65536, "16")] = Field(
        default=_POOL.page_size, description="Tokens of one page; divides `tokens`.", examples=[16]
    )
    rows: Annotated[int, whole(1, 1 << 24, "64")] = Field(
        default=_POOL.rows,
        description="Rows of req_to_token: requests and sessions at one time.",
        examples=[64],
    )
    context: Annotated[int, whole(8, 1 << 24, "4096")] = Field(
        default=_POOL.context,
        description="Context length in tokens; a row is a little wider.",
        examples=[4096],
    )
    swa: SwaPart | None = Field(
        default=None, description="The pool of windowed layers; null: none.", examples=[{"ratio": 0.8, "window": 128}]
    )
    mamba: MambaPart | None = Field(
        default=None, description="The pool of recurrent states; null: none.", examples=[{"slots": 24}]
    )


class Pool(PoolPart):
    """The full KV pool and the rows that name its slots."""

    tokens: PoolTokens = Field(description="Slots of the KV pool, in tokens.", examples=[1000])
    mamba: Mamba | None = Field(
        default=None, description="The pool of recurrent states; null: none.", examples=[{"slots": 24}]
    )


def pool_config(part: Pool, model: str) -> PoolConfig:
    """The pools that these keys spell, for a model."""
    preset = PRESETS.get(model)
    return PoolConfig(
        tokens=part.tokens, page_size=part.page_size, rows=part.rows, context=part.context, model=model,
        swa=None if part.swa is None else _swa(part.swa, part, preset.window if preset else None),
        mamba=None if part.mamba is None else _mamba(part.mamba, part.page_size),
    )  # fmt: skip


def _swa(part: SwaPart, pool: Pool, window: int | None) -> SwaConfig:
    tokens = part.tokens
    if tokens is None:
        ratio = 0.8 if part.ratio is None else part.ratio
        tokens = int(pool.tokens * ratio) // pool.page_size * pool.page_size
    return SwaConfig(
        tokens=tokens, window=part.window or window or DEFAULT_WINDOW, eviction_multiplier=part.eviction_multiplier
    )


def _mamba(part: Mamba, page_size: int) -> MambaConfig:
    chunk = max(_MAMBA.chunk, page_size) if part.chunk is None else part.chunk
    return MambaConfig(slots=part.slots, strategy=part.strategy, track_interval=part.track_interval, chunk=chunk)


def states_of_one(mamba: MambaConfig, scheduler: SchedulerConfig) -> int:
    """The states that a running request has at the same time: its own, and its snapshots."""
    return 1 if mamba.strategy == "no_buffer" else 3 if scheduler.overlap else 2


def most_running(mamba: MambaConfig | None, scheduler: SchedulerConfig, most: int) -> int:
    """How many may run by default: as many as the states are reckoned to serve, of `most`."""
    if mamba is None:
        return most
    each = _PER_REQUEST[mamba.strategy] if scheduler.radix else 1
    each += mamba.strategy == "extra_buffer" and scheduler.radix and scheduler.overlap
    return max(1, min(most, mamba.slots // each))


def overlap_goes(mamba: MambaConfig, radix: bool, speculative: bool) -> bool:
    """Whether the release switches overlap off: with one state per request the tree cannot share any under it."""
    return mamba.strategy == "no_buffer" and radix and not speculative
