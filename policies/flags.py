"""Decision `flags`: whether a finished turn is marked as freed, so that the busy check skips it (22790, item 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sim.scheduler.request import Req


class Unmarked:
    """0.5.10: the flags stay down, and the turn counts once more while it is in the last batch."""

    decision: ClassVar[str] = "flags"
    name: ClassVar[str] = "unmarked"

    def mark(self, req: Req) -> None:
        """Nothing."""


class Marked:
    """22790: both flags go up when the slot takes over."""

    decision: ClassVar[str] = "flags"
    name: ClassVar[str] = "marked"

    def mark(self, req: Req) -> None:
        """Set them."""
        req.mark_freed()
