"""Which files of a folder are scenarios. Nothing heavy is imported to say so."""

from __future__ import annotations

import re
from pathlib import Path

_FAULTS = re.compile(rb"^faults:", re.MULTILINE)
"""What a file of known faults has (`sim.fuzz.accept`), and a scenario has not."""
_HEAD = 1 << 20


def scenario_files(folder: Path) -> list[Path]:
    """All scenario files of a folder and those below it; files of known faults are none."""
    return [p for p in sorted(folder.rglob("*")) if p.suffix in (".yaml", ".yml") and p.is_file() and not _knows(p)]


def _knows(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _FAULTS.search(file.read(_HEAD)) is not None
    except OSError:
        # What prevents reading it is said when it is read as a scenario.
        return False
