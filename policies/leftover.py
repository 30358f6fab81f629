"""Decision `leftover`: the recurrent states of a session that closes (23496)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sim.scheduler.memory import Memory
    from sim.scheduler.session import SessionSlot


class Lost:
    """0.5.10: its KV and its row are freed, its states are forgotten."""

    decision: ClassVar[str] = "leftover"
    name: ClassVar[str] = "lost"

    def closed(self, memory: Memory, slot: SessionSlot, *, in_use: bool) -> None:
        """Nothing is freed; unless a turn still runs on them, nobody names them any more."""
        if memory.states is not None and slot.state is not None and not in_use:
            memory.states.lose(slot.state.all, slot.tag, "its session was closed")


class Freed:
    """23496: the running state and the snapshots are freed too."""

    decision: ClassVar[str] = "leftover"
    name: ClassVar[str] = "freed"

    def closed(self, memory: Memory, slot: SessionSlot, *, in_use: bool) -> None:
        """Free what the slot names."""
        if memory.states is None or slot.state is None:
            return
        if slot.state.slot is not None:
            memory.states.free([slot.state.slot], slot.tag)
        memory.states.free(slot.state.snapshots, slot.tag)
