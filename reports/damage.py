"""What looking inside a run has left, and is no good any more."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from zlib import crc32

from reports.errors import ADVICE, ReportError
from reports.moments import read_document
from reports.slots import read_slots
from reports.states import read_changes

_CHECKS: dict[str, Callable[[Path], object]] = {
    "slots.npz": lambda folder: read_slots(folder / "slots.npz"),
    "lives.jsonl": lambda folder: _lives(folder),
    "moments.json": lambda folder: read_document(folder),
}


def damage(folder: Path, names: Collection[str] = _CHECKS) -> dict[str, str]:
    """Of lives.jsonl, slots.npz and moments.json those that are there and damaged or cut, and how it shows."""
    found = {}
    for name in names:
        try:
            _CHECKS[name](folder)
        except ReportError as error:
            found[name] = str(error).rpartition("; ")[0]
    return found


def _lives(folder: Path) -> None:
    path = folder / "lives.jsonl"
    if not path.is_file():
        return
    try:
        told = read_document(folder).lives
        if told == _crc(path):
            return
    except (ReportError, OSError):
        told = None
    count = sum(1 for _ in read_changes(path, _cut))
    if told is not None:
        raise ReportError(f"{path}:{max(count, 1)}:1: this is not what was written; {ADVICE}")


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 18):
            crc = crc32(block, crc)
    return crc


def _cut(line: str) -> None:
    raise ReportError(f"{line}; {ADVICE}")
