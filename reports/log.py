"""Single events of events.jsonl: the last ones before a cause, and those that a figure names."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Set
from pathlib import Path
from typing import Any

_NUMBER = re.compile(r'\{"event": ?(\d+)')


def events_before(folder: Path, event: int, *, most: int = 9) -> list[dict[str, Any]]:
    """The last few events up to and including this one; empty when no log was written."""
    last: deque[str] = deque(maxlen=most)
    try:
        with (folder / "events.jsonl").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                number = _NUMBER.match(line)
                if number and int(number[1]) > event:
                    break
                last.append(line)
    except OSError:
        return []
    return [read for line in last if (read := _event(line)) is not None]


def events_at(folder: Path, wanted: Set[int]) -> dict[int, dict[str, Any]]:
    """The events with these numbers, as far as the log has them."""
    found = {}
    last = max(wanted, default=0)
    try:
        with (folder / "events.jsonl").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                number = _NUMBER.match(line)
                if number is None or int(number[1]) not in wanted:
                    continue
                read = _event(line)
                if read is not None:
                    found[int(number[1])] = read
                if int(number[1]) >= last:
                    break
    except OSError:
        return {}
    return found


def _event(line: str) -> dict[str, Any] | None:
    """One line, or None for what an interrupted run cut off."""
    try:
        read = json.loads(line)
    except ValueError:
        return None
    return read if isinstance(read, dict) and "event" in read else None
