"""Decision `tail`: how much of its slot a turn resumes, and what becomes of the rest (21875, 22862).

row: │ tree │ resumed prefix │ ······ tail: overwritten by the next prefill ······ │ a
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sim.scheduler.streaming import require

if TYPE_CHECKING:
    from sim.scheduler.request import Req
    from sim.scheduler.session import SessionSlot
    from sim.scheduler.streaming import StreamingCache


class Kept:
    """0.5.10: one token less than could be resumed, and the tail is forgotten where it lies."""

    decision: ClassVar[str] = "tail"
    name: ClassVar[str] = "kept"

    def prefix(self, committed: int, key_len: int, protected: int) -> int:
        """min(c, key − 1)."""
        return min(committed, max(key_len - 1, 0))

    def resumed(self, cache: StreamingCache, slot: SessionSlot, req: Req, prefix: int) -> None:
        """Nothing is freed."""

    def released(self, cache: StreamingCache, slot: SessionSlot) -> None:
        """Nothing is freed."""


class TrimmedAtRelease(Kept):
    """21875: the over-allocated part [ceil(c), a) is freed when the turn ends; the rest as before."""

    decision: ClassVar[str] = "tail"
    name: ClassVar[str] = "trimmed-at-release"

    def released(self, cache: StreamingCache, slot: SessionSlot) -> None:
        """Free [ceil(c), a)."""
        assert slot.row is not None
        cache.free_from(slot.row, slot.committed, slot.allocated, slot.tag)
        slot.allocated = min(slot.allocated, slot.committed)


class FreedAtResume:
    """22862: all that the key covers is resumed; the tail is freed before it is overwritten."""

    decision: ClassVar[str] = "tail"
    name: ClassVar[str] = "freed-at-resume"

    def prefix(self, committed: int, key_len: int, protected: int) -> int:
        """min(c, key), which never falls below the protected part."""
        prefix = min(committed, key_len)
        require(
            prefix >= protected,
            f"streaming session prefix shrank: prefix_len={prefix} < slot.cache_protected_len={protected}",
        )
        return prefix

    def resumed(self, cache: StreamingCache, slot: SessionSlot, req: Req, prefix: int) -> None:
        """Free [ceil(prefix), a); cap the cursors of slot and request."""
        assert slot.row is not None
        cache.free_from(slot.row, prefix, slot.allocated, slot.tag)
        slot.allocated = prefix
        slot.committed = min(slot.committed, prefix)
        slot.evicted = min(slot.evicted, prefix)
        req.allocated = prefix
        req.committed = min(req.committed, prefix)
        req.evicted = min(req.evicted, prefix)

    def released(self, cache: StreamingCache, slot: SessionSlot) -> None:
        """Nothing: the tail waits for the next turn."""
