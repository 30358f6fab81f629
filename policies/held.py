"""Decision `held`: which slots count as `session_held`, which requests as `uncached` (22213, 22753)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sim.scheduler.session import SessionSlot, SlotBook


class AllSlots:
    """0.5.10: every holding slot counts, also while a turn borrows it; so do finished turns without a row."""

    decision: ClassVar[str] = "held"
    name: ClassVar[str] = "all"
    counts_rowless: ClassVar[bool] = True

    def restored(self, slot: SessionSlot) -> None:
        """Nothing is noted."""

    def saved(self, slot: SessionSlot) -> None:
        """Nothing is noted."""

    def tokens(self, book: SlotBook, active_rows: set[int]) -> int:
        """Σ over all holding slots."""
        return book.total


class ActiveFlag(AllSlots):
    """22213: lending a slot flags it, saving clears the flag, flagged slots do not count.

    The pairing breaks whenever a turn was lent a slot but is in no batch: refused, aborted in the queue.
    """

    decision: ClassVar[str] = "held"
    name: ClassVar[str] = "flag"

    def restored(self, slot: SessionSlot) -> None:
        """Flag it."""
        slot.active = True

    def saved(self, slot: SessionSlot) -> None:
        """Clear the flag."""
        slot.active = False

    def tokens(self, book: SlotBook, active_rows: set[int]) -> int:
        """Σ over slots that are not flagged."""
        return book.total - book.flagged


class ActiveRows(AllSlots):
    """22753: a slot counts unless its row belongs to a request in a batch, as computed at each check."""

    decision: ClassVar[str] = "held"
    name: ClassVar[str] = "rows"
    counts_rowless: ClassVar[bool] = False

    def tokens(self, book: SlotBook, active_rows: set[int]) -> int:
        """Σ over slots whose row is in no batch."""
        return book.total - book.in_rows(active_rows)
