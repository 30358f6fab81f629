"""The books over time: read from series.npz, thinned for drawing without losing a spike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reports.archive import Arrays, arrays_of
from reports.errors import ADVICE, ReportError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TERMS = ("available", "evictable", "protected", "session_held", "uncached")
_COLUMNS = ("event", "t", "full", "delta", "lost", "extra")
POOLS = ("full", "swa", "mamba")
_NOT_COLUMNS = ("total", "pool")


@dataclass(frozen=True)
class Series:
    """The five terms of one pool, and what is true, at the end of each event."""

    event: Ints
    time: Floats
    terms: Ints
    delta: Ints
    lost: Ints
    extra: Ints
    total: int
    pool: str = "full"

    def __len__(self) -> int:
        return len(self.event)

    @property
    def sum(self) -> Ints:
        """What the release accounts for."""
        return np.asarray(self.delta + self.total, dtype=np.int64)

    def take(self, at: Ints) -> Series:
        """The points with these indices."""
        picked = {f.name: getattr(self, f.name)[at] for f in fields(self) if f.name not in _NOT_COLUMNS}
        return Series(**picked, total=self.total, pool=self.pool)

    def times_of(self, events: Floats) -> Floats:
        """The simulated time of each event number, for an axis."""
        return np.interp(events, self.event, self.time)


def read_series(path: Path) -> dict[str, Series]:
    """Read series.npz, pool by pool, the full one first; one clear line when it is damaged."""
    with arrays_of(path) as file:
        pools = tuple(pool for pool in POOLS if pool == "full" or pool in file)
        return {pool: _pool(path, file, pool) for pool in pools}


def _pool(path: Path, file: Arrays, pool: str) -> Series:
    """The series of one pool; the full pool's true figures have plain names."""
    named = {name: name for name in _COLUMNS} | {"full": pool}
    if pool != "full":
        named |= {name: f"{pool}_{name}" for name in ("delta", "lost", "extra")}
    missing = [name for name in (*named.values(), f"{pool}_total") if name not in file]
    if missing:
        raise ReportError(f"{path}:1:1: the array {missing[0]!r} is missing; {ADVICE}")
    columns = {name: file[where] for name, where in named.items()}
    total = int(file[f"{pool}_total"])
    _check(path, columns)
    return Series(
        event=columns["event"].astype(np.int64),
        time=columns["t"].astype(np.float64),
        terms=columns["full"].astype(np.int64),
        delta=columns["delta"].astype(np.int64),
        lost=columns["lost"].astype(np.int64),
        extra=columns["extra"].astype(np.int64),
        total=total,
        pool=pool,
    )


def _check(path: Path, columns: dict[str, npt.NDArray[np.generic]]) -> None:
    count = len(columns["event"]) if columns["event"].ndim == 1 else -1
    for name, column in columns.items():
        shape = (count, len(TERMS)) if name == "full" else (count,)
        if column.shape != shape:
            raise ReportError(f"{path}:1:1: {name!r} has shape {column.shape} instead of {shape}; {ADVICE}")
        if column.dtype.kind not in ("iuf" if name == "t" else "iu"):
            raise ReportError(f"{path}:1:1: {name!r} holds no plain numbers; {ADVICE}")
    if np.any(np.diff(columns["event"].astype(np.int64)) <= 0):
        raise ReportError(f"{path}:1:1: event numbers do not rise; {ADVICE}")


def thin(series: Series, *, keep: Iterable[int] = (), buckets: int = 160) -> Series:
    """At most a few points per bucket: its first, and where any term or difference is extreme.

    The events in `keep` stay, so that a mark always stands on a point that is drawn.
    """
    if len(series) <= 4 * buckets:
        return series
    watched = np.column_stack([series.terms, series.delta, series.lost, series.extra])
    chosen = [np.array([len(series) - 1])]
    edges = np.linspace(0, len(series), buckets + 1).astype(np.int64)
    for start, stop in pairwise(edges):
        part = watched[start:stop]
        chosen += [start + np.array([0]), start + part.argmin(axis=0), start + part.argmax(axis=0)]
    marks = np.searchsorted(series.event, np.fromiter(keep, dtype=np.int64), side="right") - 1
    chosen.append(np.clip(marks, 0, None))
    return series.take(np.unique(np.concatenate(chosen)))
