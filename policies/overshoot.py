"""Decision `overshoot`: KV beyond the end of the text when a streaming turn finishes (22897, 22900)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sim.scheduler.request import Req
    from sim.scheduler.streaming import StreamingCache


class Kept:
    """0.5.10: it stays; the next turn's text is cut, its KV is not, and the two part."""

    decision: ClassVar[str] = "overshoot"
    name: ClassVar[str] = "kept"

    def trim(self, cache: StreamingCache, req: Req) -> None:
        """Nothing."""


class Trimmed:
    """22897: the turn's row is cut to prompt + output that counts; how far the window has gone is left as it is."""

    decision: ClassVar[str] = "overshoot"
    name: ClassVar[str] = "trimmed"

    def trim(self, cache: StreamingCache, req: Req) -> None:
        """Free [ceil(target), a); cap the cursors; drop the tokens beyond."""
        length = req.out if req.finished_len is None else req.finished_len
        target = req.prompt_len + length
        if req.allocated > target:
            assert req.row is not None
            cache.free_from(req.row, target, req.allocated, req.tag)
        req.allocated = min(req.allocated, target)
        req.committed = min(req.committed, target)
        req.cut_output(length)


class Capped(Trimmed):
    """22900: and the cursor e does not stay behind the cut."""

    name: ClassVar[str] = "capped"

    def trim(self, cache: StreamingCache, req: Req) -> None:
        """As before, and cap e."""
        super().trim(cache, req)
        req.evicted = min(req.evicted, req.prompt_len + req.out)
