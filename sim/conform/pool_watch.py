"""Counts what happens to windowed KV and to recurrent states inside the model while a case is played on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.conform.hooks import hook
from sim.engines.protocol import StepReport
from sim.scheduler.core import Scheduler
from sim.scheduler.session import VirtualNode

Count = Callable[[str], None]
_SHORT = ("Not enough space for mamba", "Can not alloc mamba")


class WindowWatch:
    """Hooks on the windowed half of one scheduler."""

    def __init__(self, scheduler: Scheduler, count: Count) -> None:
        self._count = count
        self._prefilling = False
        self._before = 0
        memory, window = scheduler.memory, scheduler.window
        hook(window, "before_prefill", before=self._prefill, after=self._prefilled)
        hook(window, "evict", before=self._looked_at, after=self._evicted)
        if memory.chunk_cache:
            return
        tree = memory.tree
        hook(tree, "_overlap", before=self._overlaps)
        hook(tree, "_add_rest", before=self._rest)
        hook(tree, "evict", before=self._begins, after=self._ends)
        hook(memory.allocator, "free_swa", before=self._half_freed)
        self._evicting = False

    def _prefill(self, *_: Any) -> None:
        self._prefilling = True

    def _prefilled(self, *_: Any) -> None:
        self._prefilling = False

    def _looked_at(self, req: Any, *_: Any) -> None:
        self._before = max(req.evicted, req.protected)

    def _evicted(self, req: Any, *_: Any) -> None:
        if req.evicted > self._before:
            self._count("window passed, prefilling" if self._prefilling else "window passed, decoding")

    def _overlaps(self, node: Any, value: Any, _: Any, evicted: int) -> None:
        if node.tombstone:
            where = "left" if evicted >= len(value) else "replaced" if evicted <= 0 else "replaced in part"
            self._count(f"tombstone {where}")

    def _rest(self, _: Any, key: Any, value: Any, owner: Any, evicted: int) -> None:
        if 0 < evicted < len(key):
            self._count("tombstone inserted")

    def _begins(self, *_: Any) -> None:
        self._evicting = True

    def _ends(self, *_: Any) -> None:
        self._evicting = False

    def _half_freed(self, slots: Any, *_: Any) -> None:
        if self._evicting:
            self._count("tombstone by eviction")


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
