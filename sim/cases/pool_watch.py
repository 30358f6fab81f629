"""Counts what happens to windowed KV and to recurrent states inside the model while a case is played on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.cases.hooks import hook
from sim.engines.protocol import StepReport
from sim.scheduler.core import Scheduler
from sim.scheduler.session import VirtualNode

Count = Callable[[str], None]
_SHORT = ("Not enough space for mamba", "Can not alloc mamba")


class WindowWatch:
    """Hooks on the windowed half of one scheduler."""

    def __init__(self, scheduler: Scheduler, count: Count) -> None:
        self._count = count
        self._event = ""
        self._whole = False
        memory, window = scheduler.memory, scheduler.window
        self._during(window, "before_prefill", "window passed, prefilling")
        self._during(window, "after", "window passed, decoding")
        hook(memory.allocator, "free", before=self._both, after=self._neither)
        hook(memory.allocator, "free_swa", before=self._freed)
        hook(memory.allocator, "free_swa_each", before=self._freed)
        if memory.chunk_cache:
            return
        self._during(memory.tree, "evict", "tombstone by eviction")
        hook(memory.tree, "_overlap", before=self._overlaps)
        hook(memory.tree, "_add_rest", before=self._rest)

    def _during(self, owner: Any, name: str, event: str) -> None:
        """Windowed halves given back while this runs are that event."""

        def begin(*_: Any) -> None:
            self._event = event

        def end(*_: Any) -> None:
            self._event = ""

        hook(owner, name, before=begin, after=end)

    def _both(self, *_: Any) -> None:
        self._whole = True

    def _neither(self, *_: Any) -> None:
        self._whole = False

    def _freed(self, *_: Any) -> None:
        """A windowed half alone."""
        if self._event and not self._whole:
            self._count(self._event)

    def _overlaps(self, node: Any, value: Any, _: Any, evicted: int) -> None:
        if node.tombstone:
            where = "left" if evicted >= len(value) else "replaced" if evicted <= 0 else "replaced in part"
            self._count(f"tombstone {where}")

    def _rest(self, _: Any, key: Any, value: Any, owner: Any, evicted: int) -> None:
        if 0 < evicted < len(key):
            self._count("tombstone inserted")


class StateWatch:
    """Hooks on the states of one scheduler."""

    def __init__(self, scheduler: Scheduler, count: Count) -> None:
        self._count = count
        self._scheduler = scheduler
        self._matched: tuple[Any, Any] = (None, None)
        memory = scheduler.memory
        states, tree = memory.states, memory.tree
        self._decoding = False
        hook(states, "flip", after=self._flipped)
        hook(states, "copy", before=self._copied)
        if not tree.manages_states or tree.disabled:
            return
        hook(scheduler.cache, "match", after=self._found)
        hook(tree, "insert_state", result=self._inserted)
        hook(tree, "evict_states", result=self._evicted)
        hook(tree, "_free_state", before=self._state_freed)

    def _flipped(self, *_: Any) -> None:
        self._count("snapshot")

    def _copied(self, *_: Any) -> None:
        self._count("state copied")

    def _found(self, req: Any, *_: Any) -> None:
        if isinstance(req.last_node, VirtualNode):
            return
        if req.state.branching is not None:
            self._count("branching point")
        if req.last_node.state is not None:
            self._count("state found")

    def _inserted(self, answer: tuple[int, bool]) -> None:
        self._count("state there already" if answer[1] else "state inserted")

    def _evicted(self, count: int) -> None:
        if count:
            self._count("states evicted")

    def _state_freed(self, node: Any) -> None:
        if node.children:
            self._count("tombstone without its state")

    def stepped(self, report: StepReport) -> None:
        """An iteration is over."""
        for req in self._scheduler.waiting:
            if req.rid in report.refused and req.row is not None:
                self._count("refused turn with states")


def died_for_states(error: Exception) -> bool:
    """Whether the release would have raised for want of a state."""
    return any(word in str(error) for word in _SHORT)
