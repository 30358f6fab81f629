"""The engine protocol: what a scenario, the fuzzer, the checker and a report ask of a scheduler."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from sim.engines.layout import Layout
from sim.world import Segment

RetractHow = Literal["pause", "memory"]
State = Literal["unknown", "queued", "prefill", "decode", "finished", "aborted"]
POOLS = ("full", "swa", "mamba")
TERMS = ("available", "evictable", "protected", "session_held", "uncached")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One generation request; with `session`, one turn of it (`prompt` is the new text only)."""

    rid: str
    prompt: tuple[Segment, ...]
    max_new: int
    session: str | None = None
    priority: int | None = None
    ignore_eos: bool = False
    stop_at: int | None = None
    accept: tuple[int, ...] | float = (1,)


class Terms(NamedTuple):
    """The five terms of one pool, as the release under test claims them, and the pool's size."""

    available: int
    evictable: int
    protected: int
    session_held: int
    uncached: int
    total: int

    @property
    def sum(self) -> int:
        """What the release accounts for."""
        return self.available + self.evictable + self.protected + self.session_held + self.uncached

    @property
    def delta(self) -> int:
        """Accounted minus real: below zero something is lost, above zero something counts twice."""
        return self.sum - self.total


class SessionState(NamedTuple):
    """One session as it stands between two operations; `states`: its running state slot, then its snapshots."""

    session: str
    row: int | None
    c: int
    a: int
    p: int
    e: int
    history: int
    inflight: bool
    closing: bool
    states: tuple[int, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """All that two engines must agree on; comparable with `==`."""

    pools: dict[str, Terms]
    free_rows: int
    waiting: tuple[str, ...]
    running: tuple[str, ...]
    chunked: str | None
    last_batch: tuple[str, ...] | None
    sessions: tuple[SessionState, ...]


@dataclass(frozen=True)
class Progress:
    """How far one request has come."""

    state: State
    prompt: int
    decoded: int


class StepReport(NamedTuple):
    """What one iteration of the event loop did."""

    iteration: int
    kind: Literal["prefill", "decode", "mixed", "idle"]
    batch: int
    prefill_tokens: int
    decode_requests: int
    finished: tuple[str, ...] = ()
    aborted: tuple[str, ...] = ()
    retracted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    release_check: str | None = None
    progressed: bool = True


class EngineCrash(Exception):
    """The scheduler under test raised: out of memory after admission, an assertion, a bad access.

    `frames` are the last places in its code, outermost first, where that is not ours.
    """

    def __init__(self, kind: str, message: str, frames: Sequence[str] = ()) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.frames = tuple(frames)


class Engine(Protocol):
    """A scheduler that can be driven one operation at a time.

    `alarm` is the check of the release that failed last ("busy check" or "idle check") and what it said; whoever
    audits the engine clears it.
    """

    alarm: tuple[str, str] | None

    def advance(self, now: float) -> tuple[str, ...]:
        """Set the clock; run the session reaper if a second has passed; name the sessions it closed."""

    def open(self, session: str, timeout: float | None = None) -> bool:
        """Open a streaming session; False if the name is taken."""

    def submit(self, request: Request) -> None:
        """Hand a request to the scheduler."""

    def abort(self, rid: str) -> None:
        """Abort every request whose id begins with `rid`."""

    def close(self, session: str) -> None:
        """Close a session."""

    def expire(self, session: str) -> None:
        """Let a session's time-out have passed: the next reaper pass sees it."""

    def retract(self, rids: Sequence[str] | None, how: RetractHow) -> None:
        """Retract these running requests (None: all), now or in place of the next decode step's test."""

    def refuse(self, rid: str, times: int) -> None:
        """Let the next `times` admission attempts of this request find no memory."""

    def step(self) -> StepReport:
        """One iteration of the event loop."""

    def snapshot(self, *, of: Collection[str] | None = None) -> Snapshot:
        """The state between two operations; `of`: where only these sessions matter, the others and pools may lack."""

    def layout(self, *, counting: bool = False) -> Layout:
        """The memory behind it, index by index.

        `counting`: it is counted at once and thrown away; slots may be arrays, nodes without paths, in any order.
        """

    def progress(self, rid: str) -> Progress:
        """How far a request has come."""

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing is in flight, and the last two iterations did nothing."""

    @property
    def waiting(self) -> int:
        """Requests in the queue, and the one whose prompt is parked half-way."""

    @property
    def running(self) -> int:
        """Requests in the running batch and the batch in flight."""

    def next_reap(self) -> float | None:
        """The earliest time at which the reaper could close something; None if it never will."""
