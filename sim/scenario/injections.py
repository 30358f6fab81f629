"""The keys of `inject:` and `expect:`: what is done to the scheduler, and what must come of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from sim.scenario.errors import ValueProblem
from sim.scenario.parts import Count, Duration, Natural, Part, Read, Rid, Signed, Tokens

_MOMENTS = ("iteration", "decoded", "queued", "running", "finished")


class When(Part):
    """A moment of the run: exactly one of decoded, iteration, queued, running, finished."""

    decoded: Tokens | None = Field(
        default=None, description="A request has this many output tokens.", examples=[6]
    )
    turn: Rid | None = Field(default=None, description="Whose tokens `decoded` counts.", examples=["a/1"])
    iteration: Count | None = Field(default=None, description="This iteration of the loop.", examples=[40])
    queued: Rid | None = Field(default=None, description="This request waits.", examples=["a/2"])
    running: Rid | None = Field(default=None, description="This request runs.", examples=["a/2"])
    finished: Rid | None = Field(default=None, description="This request has ended.", examples=["a/2"])

    @model_validator(mode="after")
    def _one_moment(self) -> Self:
        given = [
            name for name in type(self).model_fields if name in _MOMENTS and getattr(self, name) is not None
        ]
        if not given:
            raise ValueProblem(
                "`when` names no moment", "write e.g. {decoded: 6}, {iteration: 40} or {running: a/2}"
            )
        if len(given) > 1:
            raise ValueProblem(
                f"`when` names {len(given)} moments: {', '.join(given)}", "leave one", (given[1],)
            )
        if self.turn is not None and self.decoded is None:
            raise ValueProblem("`turn` says whose tokens `decoded` counts", "add `decoded: 3`", ("turn",))
        return self


class Timed(Part):
    """What happens once, at a time or at a moment."""

    at: Duration | None = Field(default=None, description="Simulated time.", examples=["1.2s"])
    when: When | None = Field(default=None, description="A moment of the run.", examples=[{"decoded": 6}])

    @model_validator(mode="after")
    def _one_trigger(self) -> Self:
        if self.at is None and self.when is None:
            raise ValueProblem("nothing says when this happens", "add `at: 1.2s` or `when: {decoded: 6}`")
        if self.at is not None and self.when is not None:
            raise ValueProblem("this has both `at` and `when`", "leave one of the two out", ("when",))
        return self


class RetractPart(Timed):
    """Retract a running request, or all."""

    retract: Rid = Field(description="A request, or `all`.", examples=["a/1"])
    how: Literal["pause", "memory"] = Field(
        default="pause",
        description="pause: now; memory: as if the next decode step found none.",
        examples=["pause"],
    )


class AbortPart(Timed):
    """Abort requests."""

    abort: Rid = Field(description="A request, or how the ids of several begin.", examples=["a/2"])


class ClosePart(Timed):
    """Close a session."""

    close: Rid = Field(description="A session.", examples=["a"])


class TimeoutPart(Timed):
    """Let a session's time-out pass."""

    timeout: Rid = Field(description="A session.", examples=["a"])


class OverlongPart(Timed):
    """Send a turn or request whose prompt is max_req_input_len long; its id is NAME/overlong-1."""

    overlong: Rid | None = Field(description="A session; null: an ordinary request.", examples=["a"])


class SecondTurnPart(Timed):
    """Send another turn while one may be live; its id is NAME/second-1."""

    second_turn: Rid = Field(description="A session.", examples=["a"])
    prompt: Tokens = Field(default=5, description="New prompt tokens.", examples=[5])
    output: Tokens = Field(default=12, description="max_new_tokens.", examples=[12])


class RefusePart(Timed):
    """Let the next admission attempts of a request find no memory."""

    refuse: Rid = Field(description="A request.", examples=["a/2"])
    times: Count = Field(default=1, description="How many attempts.", examples=[1])


ACTIONS: dict[str, str] = {
    "retract": "RetractPart",
    "abort": "AbortPart",
    "close": "ClosePart",
    "timeout": "TimeoutPart",
    "overlong": "OverlongPart",
    "second_turn": "SecondTurnPart",
    "refuse": "RefusePart",
}


def _action(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else {}
    return next((ACTIONS[key] for key in keys if key in ACTIONS), None)


InjectPart = Annotated[
    Annotated[RetractPart, Tag("RetractPart")]
    | Annotated[AbortPart, Tag("AbortPart")]
    | Annotated[ClosePart, Tag("ClosePart")]
    | Annotated[TimeoutPart, Tag("TimeoutPart")]
    | Annotated[OverlongPart, Tag("OverlongPart")]
    | Annotated[SecondTurnPart, Tag("SecondTurnPart")]
    | Annotated[RefusePart, Tag("RefusePart")],
    Discriminator(_action),
]


class PoolFigures(Part):
    """The books of one pool."""

    available: Signed | None = Field(default=None, description="Units in the free list.", examples=[974])
    evictable: Signed | None = Field(default=None, description="Unlocked tokens of the tree.", examples=[0])
    protected: Signed | None = Field(default=None, description="Locked tokens of the tree.", examples=[20])
    session_held: Signed | None = Field(
        default=None, description="Tokens held by idle sessions.", examples=[6]
    )
    uncached: Signed | None = Field(default=None, description="Tokens of running requests.", examples=[0])
    sum: Signed | None = Field(default=None, description="All five terms.", examples=[1000])
    delta: Signed | None = Field(default=None, description="The sum less the pool's size.", examples=[0])


class SessionFigures(Part):
    """One session's slot and history."""

    held: Signed | None = Field(default=None, description="ceil(a) − p of its slot.", examples=[6])
    c: Signed | None = Field(default=None, description="kv_committed_len.", examples=[26])
    a: Signed | None = Field(default=None, description="kv_allocated_len.", examples=[26])
    p: Signed | None = Field(default=None, description="cache_protected_len.", examples=[20])
    e: Signed | None = Field(default=None, description="swa_evicted_seqlen.", examples=[42])
    held_swa: Signed | None = Field(default=None, description="ceil(a) − max(p, e) of its slot.", examples=[-4])
    states: Natural | None = Field(default=None, description="State slots that it names.", examples=[1])
    history: Signed | None = Field(default=None, description="Tokens of the conversation.", examples=[26])


class RequestFigures(Part):
    """One request's progress."""

    prompt: Signed | None = Field(
        default=None, description="Its whole prompt, history included.", examples=[22]
    )
    decoded: Signed | None = Field(default=None, description="Its output tokens.", examples=[4])


class PointPart(Timed):
    """Figures that hold at a moment; all that are given must be equal."""

    full: PoolFigures = Field(default=PoolFigures(), description="The full pool.", examples=[{"delta": 0}])
    swa: PoolFigures = Field(default=PoolFigures(), description="The windowed pool.", examples=[{"delta": -4}])
    mamba: PoolFigures = Field(default=PoolFigures(), description="The states.", examples=[{"delta": 1}])
    sessions: dict[str, SessionFigures] = Field(
        default={}, description="By session.", examples=[{"a": {"held": 6}}]
    )
    requests: dict[str, RequestFigures] = Field(
        default={}, description="By request.", examples=[{"a/2": {"prompt": 22}}]
    )
    free_rows: Natural | None = Field(default=None, description="Free rows.", examples=[7])

    @model_validator(mode="after")
    def _something(self) -> Self:
        pools = any(part.model_fields_set for part in (self.full, self.swa, self.mamba))
        if not (pools or self.sessions or self.requests or self.free_rows is not None):
            raise ValueProblem("this point checks nothing", "add e.g. `full: {delta: 0}` or `free_rows: 7`")
        return self


_INVARIANTS = [f"INV-{n}" for n in range(1, 12)]


def _invariant(value: Any) -> str:
    if value not in _INVARIANTS:
        raise ValueProblem(f"{value!s:.40} is no invariant", f"write {_INVARIANTS[0]} to {_INVARIANTS[-1]}")
    return str(value)


Invariant = Annotated[str, Read(_invariant, {"enum": _INVARIANTS})]


class ExpectPart(Part):
    """A verdict that must come; each field given must match."""

    verdict: Literal[
        "clean",
        "false-alarm",
        "leak",
        "double-free",
        "alias",
        "silent",
        "corrupt",
        "watermark",
        "stuck",
        "crash",
    ] = Field(description="The verdict; `clean`: none at all.", examples=["clean"])
    pool: Literal["full", "swa", "mamba", "rows"] | None = Field(
        default=None, description="The pool it is about.", examples=["full"]
    )
    size: Signed | None = Field(default=None, description="Its size and sign.", examples=[-1])
    request: Rid | None = Field(default=None, description="The request it names.", examples=["a/1"])
    session: Rid | None = Field(default=None, description="The session it names.", examples=["a"])
    invariant: Invariant | None = Field(
        default=None, description="The invariant it cites.", examples=["INV-1"]
    )
    detected_by: Literal["busy check", "idle check", "crash", "never"] | None = Field(
        default=None, description="Which of the release's own checks sees it.", examples=["idle check"]
    )
    count: Count | None = Field(default=None, description="How many verdicts match.", examples=[1])
    points: list[PointPart] = Field(
        default=[],
        description="Figures at moments of the run.",
        examples=[[{"at": "1s", "full": {"delta": 0}}]],
    )

    @model_validator(mode="after")
    def _clean_is_nothing(self) -> Self:
        more = sorted(self.model_fields_set - {"verdict", "points"})
        if self.verdict == "clean" and more:
            raise ValueProblem(
                f"`clean` has no {more[0]}", f"leave `{more[0]}` out, or name the verdict", (more[0],)
            )
        return self
