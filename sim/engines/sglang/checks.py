"""The release's own checks, at the moments at which it runs them; what they say in one line."""

from __future__ import annotations

import sys
from typing import Any


def hear_idle_failures(modules: Any) -> None:
    """What the idle check would print now and then (or raise) is kept: the first message of a check is its result."""
    module = sys.modules[_idle(modules, modules.scheduler.Scheduler).__module__]

    def failed(scheduler: Any, strict: bool, _: str, message: str) -> None:
        if scheduler.idle_failure is None:
            scheduler.idle_failure = message.strip()
        if strict:
            raise ValueError(message.strip())

    vars(module)["raise_error_or_warn"] = failed


def _idle(modules: Any, owner: Any) -> Any:
    return owner.self_check_during_idle if modules.old else owner.on_idle


def _asks_the_tree_as_a_whole(modules: Any, scheduler: Any) -> bool:
    """0.5.10's busy check asks the tree for one size, which those of windowed and recurrent layers do not have.

    It raises NotImplementedError there; whoever runs such a model has to leave it off.
    """
    kinds = (modules.swa_radix_cache.SWARadixCache, modules.mamba_radix_cache.MambaRadixCache)
    return not isinstance(scheduler.tree_cache.inner, kinds)


class Checks:
    """The checks of one scheduler."""

    def __init__(self, modules: Any, scheduler: Any, level: int) -> None:
        self._scheduler = scheduler
        self._idle = _idle(modules, scheduler)
        # With several branches a round the release itself skips the check, with a warning at every iteration.
        self._checks_busy = level > 0 and (scheduler.server_args.speculative_eagle_topk or 1) <= 1
        if modules.old and not _asks_the_tree_as_a_whole(modules, scheduler):
            self._checks_busy = False

    def busy(self) -> str | None:
        """The message of the busy check, if it fails."""
        if not self._checks_busy:
            return None
        try:
            self._scheduler.self_check_during_busy()
        except AssertionError as error:
            if error.args and "Mem Leak Detected" in str(error):
                return str(error)
            raise
        return None

    def idle(self) -> str | None:
        """The message of the idle check, if it fails; the routine also starts the token ratio anew."""
        scheduler = self._scheduler
        scheduler.idle_failure = None
        self._idle()
        failure: str | None = scheduler.idle_failure
        return failure
