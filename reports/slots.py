"""Who owned each slot: read from slots.npz, and brought to the resolution of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reports.archive import Arrays, arrays_of
from reports.columns import edges_of, summed, worst
from reports.errors import ADVICE, ReportError
from reports.series import Floats, Ints
from reports.style import OWNER_STYLES

Codes = npt.NDArray[np.uint8]

NOBODY, DOUBLE = 5, 6
POOLS = ("full", "swa", "mamba", "rows")
_FIGURES = ("unit", "total", "first", "page")


@dataclass(frozen=True)
class SlotMap:
    """The owner class of each bin of one pool at each event; a bin is `unit` slots, the first one is `first`."""

    pool: str
    event: Ints
    codes: Codes
    unit: int
    total: int
    first: int
    page: int

    def bins_of(self, slots: Sequence[int]) -> Ints:
        """The bins that these slots are in, those that the pool has, in order."""
        bins = np.unique((np.array(slots, dtype=np.int64) - self.first) // self.unit)
        there: Ints = bins[(bins >= 0) & (bins < self.codes.shape[1])]
        return there

    @property
    def used(self) -> tuple[int, int]:
        """The first bin that was ever not free, and the one after the last; all of them if there is none."""
        ever = np.flatnonzero(self.codes.any(axis=0))
        return (int(ever[0]), int(ever[-1]) + 1) if len(ever) else (0, self.codes.shape[1])


@dataclass(frozen=True)
class Grid:
    """What a figure can show of a map: cells between these edges of events and of slot numbers."""

    events: Floats
    slots: Floats
    codes: Codes


def read_slots(path: Path) -> dict[str, SlotMap]:
    """Read slots.npz, pool by pool; empty if there is none, one clear line when it is damaged."""
    if not path.is_file():
        return {}
    with arrays_of(path) as file:
        return {pool: _pool(path, file, pool) for pool in POOLS if pool in file}


def _pool(path: Path, file: Arrays, pool: str) -> SlotMap:
    for name in ("event", *(f"{pool}_{figure}" for figure in _FIGURES)):
        if name not in file:
            raise ReportError(f"{path}:1:1: the array {name!r} is missing; {ADVICE}")
        if file[name].dtype.kind not in "iu" or file[name].ndim != (name == "event"):
            raise ReportError(f"{path}:1:1: {name!r} holds no plain numbers; {ADVICE}")
    event, codes = file["event"].astype(np.int64), file[pool]
    unit, total, first, page = (int(file[f"{pool}_{figure}"]) for figure in _FIGURES)
    if unit < 1 or total < 1:
        raise ReportError(f"{path}:1:1: {pool!r} has {total} slots in bins of {unit}; {ADVICE}")
    shape = (len(event), -(-total // unit))
    if codes.shape != shape:
        raise ReportError(f"{path}:1:1: {pool!r} has shape {codes.shape} instead of {shape}; {ADVICE}")
    if codes.dtype.kind not in "iu" or (codes.size and int(codes.astype(np.int64).max()) >= len(OWNER_STYLES)):
        raise ReportError(f"{path}:1:1: {pool!r} holds classes of owners that are unknown; {ADVICE}")
    if not len(event) or np.any(np.diff(event) <= 0):
        raise ReportError(f"{path}:1:1: event numbers do not rise; {ADVICE}")
    return SlotMap(pool, event, codes.astype(np.uint8), unit, total, first, page)


def grid(slots: SlotMap, end: float, *, wide: int, high: int) -> Grid:
    """The map in at most so many columns and lines, from the first slot used to the last.

    What is nobody's or doubly owned shows in its cell; else a cell has its commonest owner.
    """
    low, top = slots.used
    edges = edges_of(slots.event, end, wide)
    codes = slots.codes[:, low:top]
    each = -(-codes.shape[1] // high)
    lines = np.arange(0, codes.shape[1], each)
    wrong = np.maximum.reduceat(worst(slots.event, np.where(codes >= NOBODY, codes, 0), edges), lines, axis=1)
    counts = [
        np.add.reduceat(summed(slots.event, (codes == code).astype(np.int64), edges), lines, axis=1)
        for code in range(NOBODY)
    ]
    shown = np.where(wrong, wrong, np.argmax(counts, axis=0))
    slot_edges = slots.first + slots.unit * np.append(low + lines, top).astype(np.float64)
    return Grid(edges, slot_edges, shown.astype(np.uint8))


def runs_in(shown: Grid) -> int:
    """How many runs along the events the cells make: what it would take to draw each as a box."""
    return int(np.count_nonzero(np.diff(shown.codes.astype(np.int8), axis=0)) + shown.codes.shape[1])


def boxes_of(shown: Grid, code: int) -> list[tuple[float, float, float, float]]:
    """The cells of one class as boxes: runs along the events, equal runs of neighbouring slots in one."""
    turns = np.diff(np.pad((shown.codes == code).astype(np.int8), ((1, 1), (0, 0))), axis=0)
    line, start = np.nonzero(turns.T == 1)
    stop = np.nonzero(turns.T == -1)[1]
    runs_at: dict[int, set[tuple[int, int]]] = {}
    for at, begin, end in zip(line.tolist(), start.tolist(), stop.tolist(), strict=True):
        runs_at.setdefault(at, set()).add((begin, end))
    found = []
    lasting: dict[tuple[int, int], int] = {}
    events, slots = shown.events.tolist(), shown.slots.tolist()
    for at in range(shown.codes.shape[1] + 1):
        now = runs_at.get(at, set())
        for run in sorted(lasting.keys() - now):
            found.append((events[run[0]], slots[lasting.pop(run)], events[run[1]], slots[at]))
        for run in now:
            lasting.setdefault(run, at)
    return found
