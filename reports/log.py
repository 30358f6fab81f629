"""Events from events.jsonl, each with what happened at it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

Event = dict[str, Any]

_NUMBER = re.compile(r'\{"event": ?(\d+)')
_BETWEEN = re.compile(r'"kind": ?"(retract|abort|close|reap)"')
_WAITING = re.compile(r'"waiting": ?(\d+)')
_AT_ONCE = {"retract": ("retracted", 1), "abort": ("aborted", -1), "close": ("aborted", -1), "reap": ("aborted", -1)}
"""Of each operation what becomes of the requests that it moves, and which way the queue grows by that."""


def events_at(folder: Path, numbers: Collection[int]) -> list[Event]:
    """The events with these numbers, in their order; those that were not written, or were cut off, are left out."""
    wanted = {str(number) for number in numbers}
    return events_where(folder, lambda number, _: number in wanted, last=max(numbers, default=0))


def events_where(folder: Path, wanted: Callable[[str, str], bool], last: int | None = None) -> list[Event]:
    """The events, up to the last one, that are wanted by their number and line.

    A release tells in an iteration what was done since the one before. Here it stands at the event at which it was.
    """
    found: list[Event] = []
    owed: list[tuple[Event, str, int]] = []
    waited = 0
    try:
        with (folder / "events.jsonl").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                number = _NUMBER.match(line)
                if number is None:
                    continue
                between = _BETWEEN.search(line)
                told = any(f'"{name}"' in line for _, name, _ in owed)
                here = wanted(number[1], line)
                event = _event(line) if here or between or told else None
                queue = _WAITING.search(line)
                waits = int(queue[1]) if queue else waited
                if event is not None and between:
                    name, sign = _AT_ONCE[between[1]]
                    owed += [(event, name, sign * (waits - waited))] if sign * (waits - waited) > 0 else []
                elif event is not None and told:
                    _settle(event, owed)
                    owed = []
                if here and event is not None:
                    found.append(event)
                waited = waits
                if last is not None and int(number[1]) >= last and not owed:
                    break
    except OSError:
        return []
    return found


def _settle(event: Event, owed: list[tuple[Event, str, int]]) -> None:
    """Give the events before an iteration their names, which come first in its report."""
    for early, name, many in owed:
        names = event.get(name)
        if isinstance(names, list):
            early[name] = names[:many]
            event[name] = names[many:]
            if not event[name]:
                del event[name]


def _event(line: str) -> Event | None:
    """One line, or None for what an interrupted run cut off."""
    try:
        read = json.loads(line)
    except ValueError:
        return None
    return read if isinstance(read, dict) and "event" in read else None
