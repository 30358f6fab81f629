"""Makes a case as small as it gets while it still shows something.

Fewer operations, then fewer sessions and requests, then simpler numbers, then a plainer configuration and smaller
pools, round after round until nothing helps any more. Consecutive iterations count as one operation: `step: 12` is
one line of a scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from time import monotonic
from typing import Any

from sim.cases.pools import accepted
from sim.cases.simpler import plainer, renamed, simpler_operations, smaller, smaller_pools, subjects, without_subject
from sim.config import RunConfig
from sim.engines.marks import REAP, STEP, Timed

Differs = Callable[[RunConfig, Sequence[Timed]], int | None]
"""The index of the operation at which a case shows what it is kept for, if it does."""


def lumps(actions: Sequence[Timed]) -> list[list[Timed]]:
    """The operations, consecutive iterations in one lump."""
    found: list[list[Timed]] = []
    for action in actions:
        if action[1] == STEP and found and found[-1][-1][1] == STEP:
            found[-1].append(action)
        else:
            found.append([action])
    return found


def flat(groups: Iterable[Sequence[Timed]]) -> list[Timed]:
    """The operations of some lumps."""
    return [action for group in groups for action in group]


class Shrinking:
    """One case on its way down; stops at a fixed point, or when its time or its attempts are used up."""

    def __init__(
        self,
        config: RunConfig,
        actions: Sequence[Timed],
        differs: Differs,
        seconds: float = 60.0,
        *,
        attempts: int | None = None,
        accepts: Callable[[RunConfig], bool] = accepted,
    ) -> None:
        self.config = config
        self.actions = list(actions)
        self.tried = 0
        self._differs = differs
        self._end = monotonic() + seconds
        self._attempts = attempts
        self._accepts = cache(accepts)
        self._failed: set[tuple[RunConfig, tuple[Timed, ...]]] = set()

    def shrink(self) -> tuple[RunConfig, list[Timed]]:
        """The smallest that was found."""
        self._try(self.config, self.actions)
        before: tuple[Any, ...] = ()
        while before != (before := (self.config, tuple(self.actions))) and not self.out:
            self._fewer()
            self._fewer_subjects()
            self._fewer_steps()
            self._simpler_actions()
            self._no_time()
            self._plainer_config()
            self._smaller_pools()
        self._try(self.config, renamed(self.actions))
        return self.config, self.actions

    @property
    def out(self) -> bool:
        """Whether its time or its attempts are used up."""
        return monotonic() > self._end or (self._attempts is not None and self.tried >= self._attempts)

    def _try(self, config: RunConfig, actions: list[Timed]) -> bool:
        """Keep it if it still shows it, without what comes after."""
        if self.out or not accepted(config):
            return False
        key = (config, tuple(actions))
        if key in self._failed:
            return False
        self.tried += 1
        at = self._differs(config, actions)
        if at is None or not self._accepts(config):
            self._failed.add(key)
            return False
        self.config, self.actions = config, actions[: at + 1]
        return True

    def _fewer(self) -> None:
        size = len(lumps(self.actions)) // 2
        while size and not self.out:
            at = 0
            while at < len(groups := lumps(self.actions)):
                if not self._try(self.config, flat([*groups[:at], *groups[at + size :]])):
                    at += size
            size //= 2

    def _fewer_subjects(self) -> None:
        for name in reversed(subjects(self.actions)):
            left = without_subject(self.actions, name)
            if len(left) < len(self.actions):
                self._try(self.config, left)

    def _fewer_steps(self) -> None:
        at = 0
        while at < len(groups := lumps(self.actions)):
            group = groups[at]
            for count in smaller(len(group)):
                # The last ones stay: it is their time at which what comes next happens.
                if self._try(self.config, flat([*groups[:at], group[-count:], *groups[at + 1 :]])):
                    break
            else:
                at += 1

    def _simpler_actions(self) -> None:
        at = len(self.actions) - 1
        while at >= 0 and not self.out:
            if at < len(self.actions):
                time, what = self.actions[at]
                for simpler in simpler_operations(what):
                    if self._try(self.config, [*self.actions[:at], (time, simpler), *self.actions[at + 1 :]]):
                        break
                else:
                    at -= 1
            else:
                at -= 1

    def _no_time(self) -> None:
        if any(time for time, _ in self.actions):
            self._try(self.config, [(0.0, what) for _, what in self.actions])
        if any(what == REAP for _, what in self.actions):
            self._try(self.config, [(time, what) for time, what in self.actions if what != REAP])
        at = 0
        while at < len(self.actions) and not self.out:
            gap = self.actions[at][0] - (self.actions[at - 1][0] if at else 0.0)
            if gap > 0:
                sooner = [(round(time - gap, 9), what) for time, what in self.actions[at:]]
                self._try(self.config, [*self.actions[:at], *sooner])
            at += 1

    def _plainer_config(self) -> None:
        for way in plainer(self.config):
            self._try(way(self.config), self.actions)

    def _smaller_pools(self) -> None:
        more = True
        while more and not self.out:
            more = any(self._try(config, self.actions) for config in smaller_pools(self.config))
