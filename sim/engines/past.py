"""How far requests came that are gone: the last few thousand of them."""

from __future__ import annotations

from collections import OrderedDict

from sim.engines.protocol import Progress

_REMEMBERED = 4096


class Past:
    """Forgets who went first."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Progress] = OrderedDict()

    def note(self, rid: str, progress: Progress) -> None:
        """A request is gone."""
        self._known[rid] = progress
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def of(self, rid: str) -> Progress:
        """How far it came, if that is still known."""
        return self._known.get(rid, Progress("unknown", 0, 0))
