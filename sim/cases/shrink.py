"""Makes a case that differs as small as it gets: fewer operations, then simpler ones, then a plainer configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from time import monotonic
from typing import Any

from sim.cases.pools import accepted
from sim.config import RunConfig, SchedulerConfig
from sim.engines.marks import REAP, Timed
from sim.operations import Open, Refuse, Retract, Submit

Differs = Callable[[RunConfig, Sequence[Timed]], int | None]
"""The index of the first operation after which two engines differ, if they do."""


class Shrinking:
    """One case on its way down; stops at a fixed point or when its time is up."""

    def __init__(self, config: RunConfig, actions: Sequence[Timed], differs: Differs, seconds: float = 60.0) -> None:
        self.config = config
        self.actions = list(actions)
        self._differs = differs
        self._end = monotonic() + seconds

    def shrink(self) -> tuple[RunConfig, list[Timed]]:
        """The smallest that was found."""
        self._try(self.config, self.actions)
        before: tuple[Any, ...] = ()
        while before != (before := (self.config, tuple(self.actions))) and not self._late:
            self._fewer()
            self._simpler_actions()
            self._plainer_config()
        return self.config, self.actions

    @property
    def _late(self) -> bool:
        return monotonic() > self._end

    def _try(self, config: RunConfig, actions: list[Timed]) -> bool:
        """Keep it if it still differs, without what comes after the difference."""
        if self._late:
            return False
        at = self._differs(config, actions)
        if at is None:
            return False
        self.config, self.actions = config, actions[: at + 1]
        return True

    def _fewer(self) -> None:
        size = len(self.actions) // 2
        while size and not self._late:
            at = 0
            while at < len(self.actions):
                if not self._try(self.config, self.actions[:at] + self.actions[at + size :]):
                    at += size
            size //= 2

    def _simpler_actions(self) -> None:
        at = len(self.actions) - 1
        while at >= 0 and not self._late:
            if at < len(self.actions):
                time, what = self.actions[at]
                for simpler in simpler_operations(what):
                    if self._try(self.config, [*self.actions[:at], (time, simpler), *self.actions[at + 1 :]]):
                        break
                else:
                    at -= 1
            else:
                at -= 1
        self._try(self.config, [(0.0, what) for _, what in self.actions])
        self._try(self.config, [(time, what) for time, what in self.actions if what != REAP])

    def _plainer_config(self) -> None:
        for way in plainer(self.config):
            config = way(self.config)
            if accepted(config):
                self._try(config, self.actions)


def simpler_operations(what: Any) -> Iterator[Any]:
    """Operations like this one, with simpler numbers."""
    if isinstance(what, Submit):
        for request in _simpler_requests(what.what):
            yield Submit(what=request)
    elif isinstance(what, Open) and what.timeout is not None:
        yield Open(session=what.session)
    elif isinstance(what, Refuse) and what.times > 1:
        yield Refuse(request=what.request, times=1)
    elif isinstance(what, Retract) and what.rids is not None and len(what.rids) > 1:
        for rid in what.rids:
            yield replace(what, rids=(rid,))


def _simpler_requests(request: Any) -> Iterator[Any]:
    plain = {"stop_at": None, "ignore_eos": False, "priority": None, "accept": (1,), "session": None}
    for name, value in plain.items():
        if getattr(request, name) != value:
            yield replace(request, **{name: value})
    for number in _smaller(request.max_new):
        yield replace(request, max_new=number)
    prompt = request.prompt
    if len(prompt) > 1:
        for at in range(len(prompt)):
            yield replace(request, prompt=prompt[:at] + prompt[at + 1 :])
    for at, segment in enumerate(prompt):
        for length in _smaller(segment.length):
            yield replace(request, prompt=(*prompt[:at], replace(segment, length=length), *prompt[at + 1 :]))


def _smaller(number: int) -> Iterator[int]:
    if number > 1:
        yield 1
        if number > 3:
            yield number // 2
        yield number - 1


def plainer(config: RunConfig) -> list[Callable[[RunConfig], RunConfig]]:
    """Ways to make a configuration plainer: each knob as it is by default."""
    ways: list[Callable[[RunConfig], RunConfig]] = []
    default = replace(SchedulerConfig(), session_gate=False)
    for field in fields(SchedulerConfig):
        plain = getattr(default, field.name)
        if field.name not in ("overlap", "speculative") and getattr(config.scheduler, field.name) != plain:
            ways.append(_with(field.name, plain))
    if config.scheduler.speculative is not None:
        ways.append(_with("speculative", None))
    ways.append(_with("overlap", False))
    ways += [_without(name) for name in ("swa", "mamba") if getattr(config.pool, name) is not None]
    return ways


def _without(pool: str) -> Callable[[RunConfig], RunConfig]:
    gone: dict[str, Any] = {pool: None}
    return lambda config: replace(config, pool=replace(config.pool, **gone))


def _with(name: str, value: Any) -> Callable[[RunConfig], RunConfig]:
    def changed(config: RunConfig) -> RunConfig:
        knobs = replace(config.scheduler, **{name: value})
        if knobs.chunked_prefill is None:
            knobs = replace(knobs, mixed_chunk=False)
        return replace(config, scheduler=knobs)

    return changed
