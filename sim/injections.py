"""What is done to the scheduler from outside: at a time, or when something has come far enough."""

from __future__ import annotations

from collections.abc import Iterable

from sim.conditions import Moment, holds, spelled
from sim.config import RunConfig
from sim.engines.protocol import Engine, Request
from sim.operations import Abort, Close, Expire, Operation, Refuse, Retract, Submit
from sim.scenario.model import Injection
from sim.world import Segment


class Injections:
    """The injections of one run that have not happened yet."""

    def __init__(self, injections: Iterable[Injection], config: RunConfig) -> None:
        everything = tuple(injections)
        self._config = config
        self.timed = sorted((i for i in everything if i.trigger.kind == "at"), key=lambda i: i.trigger.value)
        self.pending = [i for i in everything if i.trigger.kind != "at"]

    def due(self, moment: Moment, engine: Engine) -> list[Operation]:
        """Operations whose trigger holds now; each is given once."""
        due = [i for i in self.pending if holds(i.trigger, moment, engine)]
        if due:
            self.pending = [i for i in self.pending if i not in due]
        return [self.operation(i) for i in due]

    def unfired(self) -> list[str]:
        """One line for each injection whose trigger never held."""
        return [
            f"{i.place}: the {i.action} of {i.target or 'all'} never happened ({spelled(i.trigger)})"
            for i in self.pending
        ]

    def operation(self, injection: Injection) -> Operation:
        """What an injection does to the engine."""
        target = injection.target
        if injection.action == "retract":
            return Retract(rids=None if target is None else (target,), how=injection.how)
        if injection.action in ("overlong", "second_turn"):
            return Submit(what=self._turn(injection))
        assert target is not None, f"{injection.action} has a target"
        if injection.action == "abort":
            return Abort(request=target)
        if injection.action == "close":
            return Close(session=target)
        if injection.action == "timeout":
            return Expire(session=target)
        return Refuse(request=target, times=injection.times)

    def _turn(self, injection: Injection) -> Request:
        rid = injection.rid
        assert rid is not None, f"{injection.action} names its request"
        overlong = injection.action == "overlong"
        length = max(1, self._config.max_req_input_len) if overlong else injection.prompt
        return Request(
            rid=rid,
            prompt=(Segment(name=rid, length=length),),
            max_new=injection.output,
            session=injection.target,
        )
