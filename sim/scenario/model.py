"""A scenario as the run sees it: frozen, in seconds and tokens, every part knowing where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from sim.config import RunConfig
from sim.scenario.distributions import Dist
from sim.scenario.errors import NOWHERE, Place
from sim.scenario.values import Accept, Close

if TYPE_CHECKING:
    from sim.engines.marks import Timed
    from sim.engines.protocol import RetractHow

Action = Literal["retract", "abort", "close", "timeout", "overlong", "second_turn", "refuse"]
TriggerKind = Literal["at", "iteration", "decoded", "queued", "running", "finished"]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Something that a file spells; where does not count when two are compared."""

    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """Text that several requests begin with: one of `pool` texts called after `name`."""

    name: str
    tokens: int
    pool: int = 1


@dataclass(frozen=True, kw_only=True)
class Turn(Placed):
    """One turn of a scripted session, sent at `at`, or `think` seconds after the one before it ended."""

    rid: str
    prompt: int
    output: int
    stop: int | None = None
    accept: Accept = (1,)
    think: float = 0.0
    at: float | None = None
    priority: int | None = None
    ignore_eos: bool = False
    prefix: Prefix | None = None


@dataclass(frozen=True, kw_only=True)
class ScriptedSession(Placed):
    """A session whose turns are written out."""

    name: str
    turns: tuple[Turn, ...]
    open: float = 0.0
    timeout: float | None = None
    close: Close = "never"


@dataclass(frozen=True, kw_only=True)
class SingleRequest(Placed):
    """One ordinary request."""

    rid: str
    prompt: int
    output: int
    at: float = 0.0
    stop: int | None = None
    accept: Accept = (1,)
    priority: int | None = None
    ignore_eos: bool = False
    prefix: Prefix | None = None


@dataclass(frozen=True, kw_only=True)
class Generator(Placed):
    """What all generators have: a name, and how each request is drawn."""

    name: str
    prompt: Dist
    output: Dist
    accept: Accept = (1,)
    priority: Dist | None = None
    ignore_eos: bool = False
    prefix: Prefix | None = None


@dataclass(frozen=True, kw_only=True)
class Poisson(Generator):
    """Ordinary requests `NAME-1`, `NAME-2`, … at random times: `count` of them, or until a time."""

    rate: float
    until: float | None = None
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Bursty(Generator):
    """Ordinary requests `NAME-1`, … in bursts, the first at 0 s: `count` bursts, or until a time."""

    every: float
    size: Dist
    until: float | None = None
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Fleet(Generator):
    """Clients in closed loop: each opens a session, takes its turns, closes it, `rounds` times over.

    Sessions are called `NAME1` … `NAMEn` with n = sessions × rounds, in the order in which they open.
    """

    sessions: int
    turns: Dist
    think: Dist
    start: Dist
    timeout: float | None = None
    close: Literal["end", "never"] = "end"
    abort_rate: float = 0.0
    rounds: int = 1


Source: TypeAlias = ScriptedSession | SingleRequest | Poisson | Bursty | Fleet


@dataclass(frozen=True, kw_only=True)
class Trigger(Placed):
    """When something happens: `value` is seconds, an iteration or a number of tokens; `rid` whose."""

    kind: TriggerKind
    value: float = 0
    rid: str | None = None


@dataclass(frozen=True, kw_only=True)
class Injection(Placed):
    """Something done to the scheduler from outside, once.

    `target` is a request or a session; None means all that run (`retract`) or no session (`overlong`).
    `rid` is the request that `overlong` and `second_turn` make.
    """

    action: Action
    target: str | None
    trigger: Trigger
    how: RetractHow = "pause"
    times: int = 1
    prompt: int = 1
    output: int = 1
    rid: str | None = None


@dataclass(frozen=True, kw_only=True)
class Until:
    """Where a run ends at the latest: a time, an iteration, or when nothing is left to do."""

    time: float | None = None
    iterations: int | None = None


@dataclass(frozen=True, kw_only=True)
class ExpectVerdict(Placed):
    """A verdict that the run must give; `clean` stands alone and means none. Fields left None match all."""

    verdict: str
    pool: str | None = None
    size: int | None = None
    request: str | None = None
    session: str | None = None
    invariant: str | None = None
    detected_by: str | None = None
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Point(Placed):
    """Figures that must hold at the end of the first event at whose end the trigger holds."""

    trigger: Trigger
    full: Mapping[str, int] = field(default_factory=dict)
    swa: Mapping[str, int] = field(default_factory=dict)
    mamba: Mapping[str, int] = field(default_factory=dict)
    sessions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    requests: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    free_rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class Expect(Placed):
    """What a variant must show: each verdict of the run is matched by an entry, and each point holds."""

    verdicts: tuple[ExpectVerdict, ...]
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Variant(Placed):
    """One run of a scenario: its configuration, its release, and what is expected of it.

    With `operations` there is neither workload nor injection nor bound.
    """

    name: str
    config: RunConfig
    release: str = "sglang-0.5.11"
    revert: tuple[int, ...] = ()
    add: tuple[int, ...] = ()
    decide: Mapping[str, str] = field(default_factory=dict)
    workload: tuple[Source, ...] = ()
    inject: tuple[Injection, ...] = ()
    operations: tuple[Timed, ...] = ()
    until: Until = field(default_factory=Until)
    expect: Expect | None = None


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scenario file, checked."""

    name: str
    about: str
    path: str
    variants: Mapping[str, Variant]
    source_text: str
