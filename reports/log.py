"""The last operations before a cause, from events.jsonl."""

from __future__ import annotations

import json
import re
from collections import deque
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


def _event(line: str) -> dict[str, Any] | None:
    """One line, or None for what an interrupted run cut off."""
    try:
        read = json.loads(line)
    except ValueError:
        return None
    return read if isinstance(read, dict) and "event" in read else None
