"""The keys of `workload:`: scripted sessions, single requests, and generators."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from sim.scenario.errors import ValueProblem
from sim.scenario.parts import (
    Accept,
    Close,
    CountDist,
    Duration,
    Name,
    Part,
    PositiveDuration,
    Priority,
    PriorityDist,
    Rate,
    SecondsDist,
    Share,
    Tokens,
    TokensDist,
    whole,
)


class PrefixPart(Part):
    """Text that requests share: the same name is the same text."""

    name: Name = Field(description="What the text is called.", examples=["system"])
    tokens: Tokens = Field(description="Its length.", examples=[64])


class PrefixPoolPart(Part):
    """One of several shared texts, drawn for each request (for each session in a fleet)."""

    name: Name | None = Field(
        default=None,
        description="What the texts are called; default: the generator's name.",
        examples=["system"],
    )
    tokens: Tokens = Field(description="Length of each.", examples=[64])
    pool: Annotated[int, whole(1, 1_000_000, "4")] = Field(
        default=1, description="How many there are.", examples=[4]
    )


class Spoken(Part):
    """What a written-out turn and a request have in common."""

    prompt: Tokens = Field(description="New prompt tokens, without prefix and history.", examples=[20])
    output: Tokens = Field(description="max_new_tokens.", examples=[12])
    stop: Tokens | None = Field(
        default=None, description="Which output token is EOS; null: none.", examples=[5]
    )
    accept: Accept = Field(
        default=(1,),
        description="Tokens a verify round accepts: n, a list that repeats, or {rate: p}.",
        examples=[2],
    )
    priority: Priority | None = Field(default=None, description="Priority of the request.", examples=[10])
    ignore_eos: bool = Field(default=False, description="Do not stop at EOS.", examples=[False])
    prefix: PrefixPart | None = Field(
        default=None, description="Shared text in front.", examples=[{"name": "system", "tokens": 64}]
    )


class TurnPart(Spoken):
    """One turn of a scripted session."""

    think: Duration = Field(
        default=0.0, description="Pause after the turn before it ended.", examples=["0.5s"]
    )
    at: Duration | None = Field(
        default=None, description="Send then, whatever the turn before does.", examples=["1.2s"]
    )


class SessionPart(Part):
    """A streaming session whose turns are written out: NAME/1, NAME/2, …"""

    session: Name = Field(description="Name of the session.", examples=["a"])
    open: Duration = Field(default=0.0, description="When it opens.", examples=["0s"])
    timeout: PositiveDuration | None = Field(
        default=None, description="Its time-out; null: none.", examples=["30s"]
    )
    close: Close = Field(
        default="never", description="end (after the last turn), never, or a time.", examples=["end"]
    )
    turns: Annotated[list[TurnPart], Field(min_length=1)] = Field(
        description="Its turns, in order.", examples=[[{"prompt": 20, "output": 12}]]
    )


class RequestPart(Spoken):
    """One ordinary request."""

    request: Name = Field(description="Its request id.", examples=["r1"])
    at: Duration = Field(default=0.0, description="When it arrives.", examples=["0.5s"])


class Drawn(Part):
    """What all generators have in common."""

    name: Name = Field(
        description="Name of the generator; ids of requests or sessions begin with it.", examples=["p"]
    )
    prompt: TokensDist = Field(description="New prompt tokens of each request.", examples=[64])
    output: TokensDist = Field(description="max_new_tokens of each request.", examples=[16])
    accept: Accept = Field(
        default=(1,),
        description="Tokens a verify round accepts: n, a list that repeats, or {rate: p}.",
        examples=[2],
    )
    priority: PriorityDist | None = Field(
        default=None, description="Priority of each request; a list: one of these.", examples=[[0, 20]]
    )
    ignore_eos: bool = Field(default=False, description="Do not stop at EOS.", examples=[False])
    prefix: PrefixPoolPart | None = Field(
        default=None, description="Shared text in front.", examples=[{"pool": 4, "tokens": 64}]
    )


class Arrivals(Drawn):
    """A generator that needs an end of its own."""

    until: PositiveDuration | None = Field(
        default=None, description="No arrival after this time.", examples=["60s"]
    )
    count: Annotated[int, whole(1, 1_000_000_000, "100")] | None = Field(
        default=None, description="How many arrivals: requests, or bursts.", examples=[100]
    )

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.until is None and self.count is None:
            raise ValueProblem("this generator never ends", "add `until: 60s` or `count: 100`")
        if self.until is not None and self.count is not None:
            raise ValueProblem(
                "this generator has both `until` and `count`", "leave one of the two out", ("count",)
            )
        return self


class PoissonPart(Arrivals):
    """Requests NAME-1, NAME-2, … at random times."""

    rate: Rate = Field(description="Mean arrivals per time.", examples=["20/s"])


class BurstyPart(Arrivals):
    """Requests NAME-1, NAME-2, … in bursts."""

    every: PositiveDuration = Field(description="Time from burst to burst.", examples=["5s"])
    size: CountDist = Field(description="Requests of each burst.", examples=[20])


class FleetPart(Drawn):
    """Clients in closed loop, each with sessions of its own: NAME1, NAME2, … with turns NAME1/1, …"""

    sessions: Annotated[int, whole(1, 10_000_000, "40")] = Field(
        description="Clients, each with one session at a time.", examples=[40]
    )
    turns: CountDist = Field(description="Turns of each session.", examples=[6])
    think: SecondsDist = Field(
        default=0, validate_default=True, description="Pause before each turn but the first.", examples=["2s"]
    )
    start: SecondsDist = Field(
        default=0,
        validate_default=True,
        description="When each client begins.",
        examples=[{"uniform": ["0s", "10s"]}],
    )
    timeout: PositiveDuration | None = Field(
        default=None, description="Session time-out; null: none.", examples=["30s"]
    )
    close: Literal["end", "never"] = Field(
        default="end",
        description="Whether a client closes its session after the last turn.",
        examples=["end"],
    )
    abort_rate: Share = Field(
        default=0.0, description="Share of turns that the client aborts.", examples=[0.02]
    )
    rounds: Annotated[int, whole(1, 1_000_000, "3")] = Field(
        default=1, description="Sessions of each client, one after the other.", examples=[3]
    )


class PoissonItem(Part):
    """Random arrivals."""

    poisson: PoissonPart = Field(
        description="Random arrivals of ordinary requests.",
        examples=[{"name": "p", "rate": "20/s", "count": 100, "prompt": 64, "output": 16}],
    )


class BurstyItem(Part):
    """Arrivals in bursts."""

    bursty: BurstyPart = Field(
        description="Ordinary requests in bursts.",
        examples=[{"name": "b", "every": "5s", "size": 20, "count": 3, "prompt": 64, "output": 16}],
    )


class FleetItem(Part):
    """Clients in closed loop."""

    fleet: FleetPart = Field(
        description="Clients with sessions, in closed loop.",
        examples=[{"name": "f", "sessions": 40, "turns": 6, "prompt": 64, "output": 16}],
    )


SOURCES: dict[str, str] = {
    "session": "SessionPart",
    "request": "RequestPart",
    "poisson": "PoissonItem",
    "bursty": "BurstyItem",
    "fleet": "FleetItem",
}


def _source(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else {}
    return next((SOURCES[key] for key in keys if key in SOURCES), None)


SourceItem: TypeAlias = SessionPart | RequestPart | PoissonItem | BurstyItem | FleetItem
SourcePart = Annotated[
    Annotated[SessionPart, Tag("SessionPart")]
    | Annotated[RequestPart, Tag("RequestPart")]
    | Annotated[PoissonItem, Tag("PoissonItem")]
    | Annotated[BurstyItem, Tag("BurstyItem")]
    | Annotated[FleetItem, Tag("FleetItem")],
    Discriminator(_source),
]
