"""The rows of those whom a verdict names, event by event around its cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.engines.layout import Layout, RequestLayout, SlotLayout
from sim.retrace.plan import Window

MOST_SLOTS = 512


class Moments:
    """Collects what `moments.json` holds."""

    def __init__(self, windows: tuple[Window, ...], width: int) -> None:
        self._windows = windows
        self._width = width
        self._steps: list[list[dict[str, Any]]] = [[] for _ in windows]

    def look(self, event: int, layout: Layout, known: frozenset[str], session_of: Mapping[str, str]) -> None:
        """Note the rows after this event, for every window that covers it; `known` are the sessions that are open."""
        for window, steps in zip(self._windows, self._steps, strict=True):
            if event in window.events:
                rows = [self._row(*found) for found in _named(window, layout, known, session_of)]
                steps.append({"event": event, "rows": rows})

    def to_json(self) -> dict[str, Any]:
        """The whole file."""
        return {
            "moments": [
                {
                    "verdicts": list(window.verdicts),
                    "event": window.event,
                    "from": window.events[0],
                    "to": window.events[-1],
                    "steps": steps,
                }
                for window, steps in zip(self._windows, self._steps, strict=True)
                if window.events
            ]
        }

    def _row(self, holder: RequestLayout | SlotLayout, request: str | None, session: str | None) -> dict[str, Any]:
        return {
            "row": holder.row,
            "session": session,
            "request": request,
            "p": holder.p,
            "c": holder.c,
            "a": holder.a,
            "e": holder.e,
            "width": self._width,
            "slots": list(holder.slots[:MOST_SLOTS]),
        }


def _named(
    window: Window, layout: Layout, known: frozenset[str], session_of: Mapping[str, str]
) -> Iterator[tuple[RequestLayout | SlotLayout, str | None, str | None]]:
    """Whoever names a row and is named by the verdicts; a turn stands for the slot that it borrows."""
    rows = {slot.row for slot in layout.slots if slot.session in window.sessions}
    borrowed = set()
    for request in layout.requests:
        named = request.rid in window.requests or session_of.get(request.rid) in window.sessions
        if request.row is not None and (named or request.row in rows):
            borrowed.add(request.row)
            yield request, request.rid, session_of.get(request.rid)
    for slot in layout.slots:
        if slot.session in window.sessions and slot.row is not None and slot.row not in borrowed:
            yield slot, None, slot.session if slot.session in known else f"{slot.session} (closed)"
