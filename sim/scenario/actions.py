"""From the entries of `operations:` to what is played: every action with its time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from sim.engines.marks import REAP, STEP, Timed
from sim.engines.protocol import Request
from sim.operations import Abort, Close, Expire, Open, Operation, Refuse, Retract, Submit
from sim.scenario.errors import ScenarioError
from sim.scenario.operations import (
    AbortOperation,
    CloseOperation,
    ExpireOperation,
    OpenOperation,
    OperationItem,
    ReapOperation,
    RefuseOperation,
    RetractOperation,
    StepOperation,
    SubmitOperation,
    WaitOperation,
)
from sim.scenario.places import Node
from sim.world import Segment

MOST_STEPS = 10_000_000
"""Iterations that one list can ask for; each is a place in memory."""


def actions(parts: Sequence[OperationItem], nodes: Sequence[Node]) -> tuple[Timed, ...]:
    """What is played, in order; time passes by waiting only."""
    now, steps = 0.0, 0
    made: list[Timed] = []
    for part, node in zip(parts, nodes, strict=True):
        match part:
            case WaitOperation():
                now = later(now, part.wait)
            case StepOperation():
                steps += part.step
                if steps > MOST_STEPS:
                    what = f"with this there are {steps} iterations in the list"
                    raise ScenarioError(node.place_of("step"), what, f"write at most {MOST_STEPS} in all")
                made += repeat((now, STEP), part.step)
            case ReapOperation():
                made.append((now, REAP))
            case _:
                made.append((now, _operation(part)))
    if parts and isinstance(parts[-1], WaitOperation):
        what = "nothing comes after this wait, so it changes nothing"
        raise ScenarioError(nodes[-1].place, what, "add `- {reap: true}` or `- {step: 1}`, or leave it out")
    return tuple(made)


def later(now: float, seconds: float) -> float:
    """The time after a wait; all times are whole nanoseconds, as those of a run are."""
    return round(now + seconds, 9)


def _operation(part: OperationItem) -> Operation:
    match part:
        case OpenOperation():
            return Open(session=part.open, timeout=part.timeout)
        case SubmitOperation():
            return Submit(what=_request(part))
        case RetractOperation():
            return Retract(rids=part.retract, how=part.how)
        case RefuseOperation():
            return Refuse(request=part.refuse, times=part.times)
        case AbortOperation():
            return Abort(request=part.abort)
        case CloseOperation():
            return Close(session=part.close)
        case ExpireOperation():
            return Expire(session=part.expire)
        case _:
            raise AssertionError(f"an operation of a kind unknown here: {part!r}")


def _request(part: SubmitOperation) -> Request:
    pieces = ((part.submit, part.prompt),) if isinstance(part.prompt, int) else part.prompt
    return Request(
        rid=part.submit, prompt=tuple(Segment(name=name, length=length) for name, length in pieces),
        max_new=part.output, session=part.session, priority=part.priority, ignore_eos=part.ignore_eos,
        stop_at=part.stop_at, accept=part.accept,
    )  # fmt: skip
