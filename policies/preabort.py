"""Decision `preabort`: what the matcher does for a turn refused on arrival (22273; 22790, item 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sim.ledger.owners import REQUEST

if TYPE_CHECKING:
    from sim.scheduler.request import Req
    from sim.scheduler.streaming import StreamingCache


def _own_tag(cache: StreamingCache, req: Req) -> None:
    """From here on the turn works on memory of its own, not on the session's."""
    if req.tag & 3 != REQUEST:
        req.tag = cache.memory.ledger.tag(REQUEST, req.rid)


class Restore:
    """0.5.10: it is lent the slot like any turn, and its one-token prompt overwrites row[0]."""

    decision: ClassVar[str] = "preabort"
    name: ClassVar[str] = "restore"

    def restores(self, cache: StreamingCache, req: Req) -> bool:
        """Always."""
        return True


class Skip:
    """22273: it is not lent the slot, but still belongs to the session."""

    decision: ClassVar[str] = "preabort"
    name: ClassVar[str] = "skip"

    def restores(self, cache: StreamingCache, req: Req) -> bool:
        """Never."""
        _own_tag(cache, req)
        return False


class Detach:
    """22790: it leaves the session and ends as an ordinary request; the slot is untouched."""

    decision: ClassVar[str] = "preabort"
    name: ClassVar[str] = "detach"

    def restores(self, cache: StreamingCache, req: Req) -> bool:
        """Never; the session forgets it."""
        assert req.session is not None
        cache.release.history.aborted(req.session)
        req.session = None
        _own_tag(cache, req)
        return False
