"""When something is due: by time, by iteration, or by how far a request has come."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sim.engines.protocol import Engine
from sim.scenario.model import Trigger

ENDED = ("finished", "aborted")


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """The end of one event, as far as triggers look at it."""

    time: float
    iteration: int
    submitted: str | None = None
    ended: Collection[str] = ()


def holds(trigger: Trigger, moment: Moment, engine: Engine) -> bool:
    """Whether the trigger's condition is true at this moment."""
    if trigger.kind == "at":
        return moment.time >= trigger.value
    if trigger.kind == "iteration":
        return moment.iteration >= trigger.value
    rid = trigger.rid
    if rid is None:
        return False
    if trigger.kind == "queued":
        return rid == moment.submitted or engine.progress(rid).state == "queued"
    if trigger.kind == "finished" and rid in moment.ended:
        return True
    progress = engine.progress(rid)
    if trigger.kind == "decoded":
        return progress.decoded >= trigger.value
    if trigger.kind == "running":
        return progress.state in ("prefill", "decode")
    return progress.state in ENDED


def spelled(trigger: Trigger) -> str:
    """A trigger as a line of text has it."""
    if trigger.kind == "at":
        return f"at {trigger.value:g} s"
    if trigger.kind == "iteration":
        return f"at iteration {trigger.value:g}"
    if trigger.kind == "decoded":
        return f"when {trigger.rid} has {trigger.value:g} tokens"
    return f"when {trigger.rid} is {trigger.kind}"
