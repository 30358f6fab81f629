"""A run as tables: which columns there are, and their rows one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from reports.data import Verdict
from reports.events import NAMES, Event
from reports.export.source import Source, has_lives
from reports.series import TERMS

Kind = Literal["whole", "time", "text", "texts", "wholes"]


@dataclass(frozen=True)
class Table:
    """Named and typed columns, and rows that are made as they are read."""

    name: str
    columns: dict[str, Kind]
    rows: Iterable[tuple[Any, ...]]


_BEFORE: dict[str, Kind] = {
    "event": "whole",
    "t": "time",
    "iteration": "whole",
    "kind": "text",
    "request": "text",
    "session": "text",
    "batch": "whole",
    "tokens": "whole",
}
_AFTER: dict[str, Kind] = {
    "running": "whole",
    "waiting": "whole",
    "check": "text",
    **dict.fromkeys(NAMES, "texts"),
    "verdicts": "wholes",
}
_FIGURES = (*TERMS, "total", "delta", "lost", "extra")
_VERDICT: dict[str, Kind] = {
    "index": "whole",
    "verdict": "text",
    "invariant": "text",
    "pool": "text",
    "size": "whole",
    "event": "whole",
    "iteration": "whole",
    "time": "time",
    "request": "text",
    "session": "text",
    "detected_by": "text",
    "detected_event": "whole",
    "detected_iteration": "whole",
    "latency_events": "whole",
    "message": "text",
}
_CAUSE: dict[str, Kind] = {
    "what": "text",
    "event": "whole",
    "iteration": "whole",
    "time": "time",
    "op": "text",
    "request": "text",
    "session": "text",
    "count": "whole",
    "slots": "wholes",
}
_LIFE: dict[str, Kind] = {"event": "whole", "t": "time", "request": "text", "session": "text", "state": "text"}


def tables(source: Source) -> Iterator[Table]:
    """The tables of a run; what was not written down has none."""
    pools, events = source.events()
    figures: dict[str, Kind] = {f"{pool}_{figure}": "whole" for pool in pools for figure in _FIGURES}
    yield Table("events", _BEFORE | figures | _AFTER, map(_event, events))
    if source.verdicts is not None:
        causes = {f"cause_{name}": kind for name, kind in _CAUSE.items()}
        yield Table("verdicts", _VERDICT | causes, map(_verdict, range(len(source.verdicts)), source.verdicts))
    if has_lives(source.folder):
        yield Table("lives", _LIFE, source.lives())


def _event(event: Event) -> tuple[Any, ...]:
    figures: list[int] = []
    for book in event.books.values():
        figures += (*book.terms, book.total, book.delta, book.lost, book.extra)
    names = event.names
    return (
        *event[:8],
        *figures,
        event.running,
        event.waiting,
        event.check,
        *(names.get(name, ()) for name in NAMES),
        event.verdicts,
    )


def _verdict(index: int, verdict: Verdict) -> tuple[Any, ...]:
    own = (getattr(verdict, name) for name in list(_VERDICT)[1:])
    return (index, *own, *(getattr(verdict.cause, name, None) for name in _CAUSE))
