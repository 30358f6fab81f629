"""Events by number, from events.jsonl."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

_NUMBER = re.compile(r'\{"event": ?(\d+)')


def events_at(folder: Path, numbers: Collection[int]) -> list[dict[str, Any]]:
    """The events with these numbers, in their order; those that were not written, or were cut off, are left out."""
    wanted = {str(number) for number in numbers}
    last = max(numbers, default=0)
    found: list[dict[str, Any]] = []
    try:
        with (folder / "events.jsonl").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                number = _NUMBER.match(line)
                if number and number[1] in wanted and (event := _event(line)) is not None:
                    found.append(event)
                if number and int(number[1]) >= last:
                    break
    except OSError:
        return []
    return found


def _event(line: str) -> dict[str, Any] | None:
    """One line, or None for what an interrupted run cut off."""
    try:
        read = json.loads(line)
    except ValueError:
        return None
    return read if isinstance(read, dict) and "event" in read else None
