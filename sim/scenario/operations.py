"""The keys of `operations:`: exactly what is done to the scheduler, one after another."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from sim.scenario.errors import ValueProblem, shown
from sim.scenario.parts import Accept, Count, Part, PositiveDuration, Priority, Read, Rid, Tokens, read_text, whole
from sim.scenario.values import LONGEST_TEXT

_TEXT = {"type": "string", "minLength": 1}
_LENGTH = whole(1, LONGEST_TEXT, "20")
_PIECE = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": _LENGTH.schema}
_ADVICE = "write e.g. 20, or [{x: 16}, {r1: 4}]"


def _prompt(value: Any) -> int | tuple[tuple[str, int], ...]:
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise ValueProblem("a mapping is no prompt", _ADVICE)
        length: int = _LENGTH.reader(value)
        return length
    if not value:
        raise ValueProblem("the prompt is empty", _ADVICE)
    return tuple(_piece(piece, index) for index, piece in enumerate(value))


def _piece(piece: Any, index: int) -> tuple[str, int]:
    if not isinstance(piece, dict) or len(piece) != 1:
        raise ValueProblem(f"{shown(piece)} is no text and its length", "write e.g. {x: 16}", (index,))
    ((name, length),) = piece.items()
    if not name:
        raise ValueProblem("a text without a name", "write e.g. {x: 16}", (index,))
    try:
        return name, _LENGTH.reader(length)
    except ValueProblem as problem:
        raise problem.under(index, name) from None


def _retracted(value: Any) -> tuple[str, ...] | None:
    """The requests; None for all."""
    if value == "all":
        return None
    if not isinstance(value, list):
        return (read_text(value),)
    if not value:
        raise ValueProblem("the list of requests is empty", "write e.g. [a/1, r2], or all")
    rids = []
    for index, each in enumerate(value):
        try:
            rids.append(read_text(each))
        except ValueProblem as problem:
            raise problem.under(index) from None
    return tuple(rids)


def _true(value: Any) -> bool:
    if value is not True:
        raise ValueProblem(f"{shown(value)} says nothing", "write `reap: true`, or leave the entry out")
    return True


Prompt = Annotated[
    int | tuple[tuple[str, int], ...],
    Read(_prompt, {"anyOf": [_LENGTH.schema, {"type": "array", "items": _PIECE, "minItems": 1}]}),
]
Retracted = Annotated[
    tuple[str, ...] | None,
    Read(_retracted, {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}),
]


class OpenOperation(Part):
    """Open a streaming session."""

    open: Rid = Field(description="Name of the session.", examples=["a"])
    timeout: PositiveDuration | None = Field(default=None, description="Its time-out; null: none.", examples=["0.87s"])


class SubmitOperation(Part):
    """Hand a request, or a turn of a session, to the scheduler."""

    submit: Rid = Field(description="Its request id.", examples=["a/1"])
    session: Rid | None = Field(default=None, description="The session of which it is a turn.", examples=["a"])
    prompt: Prompt = Field(
        description="Tokens of a text of its own, or a list of {text: tokens}; the same name is the same text.",
        examples=[20, [{"x": 16}, {"r1": 5}]],
    )
    output: Annotated[int, whole(0, LONGEST_TEXT, "12")] = Field(description="max_new_tokens.", examples=[12])
    stop_at: Tokens | None = Field(default=None, description="Which output token is EOS; null: none.", examples=[5])
    ignore_eos: bool = Field(default=False, description="Do not stop at EOS.", examples=[False])
    priority: Priority | None = Field(default=None, description="Priority of the request.", examples=[10])
    accept: Accept = Field(
        default=(1,), description="Tokens a verify round accepts: n, a list that repeats, or {rate: p}.", examples=[2]
    )


class StepOperation(Part):
    """Iterations of the event loop."""

    step: Count = Field(description="How many.", examples=[3])


class RetractOperation(Part):
    """Retract running requests."""

    retract: Retracted = Field(description="A request, a list of them, or `all`.", examples=["a/1"])
    how: Literal["pause", "memory"] = Field(
        default="pause",
        description="pause: now; memory: as if the next decode step found none.",
        examples=["pause"],
    )


class RefuseOperation(Part):
    """Let the next admission attempts of a request find no memory."""

    refuse: Rid = Field(description="A request.", examples=["a/2"])
    times: Count = Field(default=1, description="How many attempts.", examples=[1])


class AbortOperation(Part):
    """Abort requests."""

    abort: Rid = Field(description="A request, or how the ids of several begin.", examples=["a/1"])


class CloseOperation(Part):
    """Close a session."""

    close: Rid = Field(description="A session.", examples=["a"])


class ExpireOperation(Part):
    """Let a session's time-out have passed: the next look of the reaper sees it."""

    expire: Rid = Field(description="A session.", examples=["a"])


class WaitOperation(Part):
    """Let time pass before what comes next."""

    wait: PositiveDuration = Field(description="Simulated time.", examples=["0.5s"])


class ReapOperation(Part):
    """Let the session reaper look now, without an iteration."""

    reap: Annotated[bool, Read(_true, {"const": True})] = Field(description="Always true.", examples=[True])


OPERATIONS: dict[str, str] = {
    "open": "OpenOperation",
    "submit": "SubmitOperation",
    "step": "StepOperation",
    "retract": "RetractOperation",
    "refuse": "RefuseOperation",
    "abort": "AbortOperation",
    "close": "CloseOperation",
    "expire": "ExpireOperation",
    "wait": "WaitOperation",
    "reap": "ReapOperation",
}


def _operation(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else {}
    return next((OPERATIONS[key] for key in keys if key in OPERATIONS), None)


OperationItem: TypeAlias = (
    OpenOperation
    | SubmitOperation
    | StepOperation
    | RetractOperation
    | RefuseOperation
    | AbortOperation
    | CloseOperation
    | ExpireOperation
    | WaitOperation
    | ReapOperation
)
OperationPart = Annotated[
    Annotated[OpenOperation, Tag("OpenOperation")]
    | Annotated[SubmitOperation, Tag("SubmitOperation")]
    | Annotated[StepOperation, Tag("StepOperation")]
    | Annotated[RetractOperation, Tag("RetractOperation")]
    | Annotated[RefuseOperation, Tag("RefuseOperation")]
    | Annotated[AbortOperation, Tag("AbortOperation")]
    | Annotated[CloseOperation, Tag("CloseOperation")]
    | Annotated[ExpireOperation, Tag("ExpireOperation")]
    | Annotated[WaitOperation, Tag("WaitOperation")]
    | Annotated[ReapOperation, Tag("ReapOperation")],
    Discriminator(_operation),
]
