"""The map of all slots at some of the events: `slots.npz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sim.config import RunConfig
from sim.engines.layout import Layout
from sim.retrace.classes import NOBODY, Codes, classes, row_classes

MOST_BINS = 1024


class Maps:
    """The classes of all slots, sample by sample; many slots share a bin."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._events: list[int] = []
        self._found: dict[str, list[Codes]] = {}
        self._first_row = 0

    def add(self, event: int, layout: Layout, sessions: frozenset[str]) -> None:
        """One sample."""
        pool = self._config.pool
        found = classes(layout, sessions, pool.sizes, pool.page_size)
        if not self._events:
            # Rows are handed out from the first one on; in some releases row 0 is padding.
            named = (*layout.free_rows, *(r.row for r in layout.requests if r.row is not None))
            self._first_row = min(named, default=0)
        found["rows"] = row_classes(layout, sessions, self._first_row, pool.rows)
        self._events.append(event)
        for name, codes in found.items():
            self._found.setdefault(name, []).append(binned(codes, MOST_BINS))

    def save(self, path: Path) -> None:
        """Write them."""
        columns: dict[str, object] = {"event": np.array(self._events, dtype=np.int64)}
        pool = self._config.pool
        for name, maps in self._found.items():
            units = pool.rows if name == "rows" else pool.sizes[name]
            page = pool.page_size if name in ("full", "swa") else 1
            columns[name] = np.stack(maps)
            columns[f"{name}_unit"] = np.int64(_share(units // page) * page)
            columns[f"{name}_total"] = np.int64(units)
            columns[f"{name}_first"] = np.int64(self._first_row if name == "rows" else page)
            columns[f"{name}_page"] = np.int64(page)
        with path.open("wb") as file:
            np.savez_compressed(file, **columns)  # type: ignore[arg-type]


def _share(units: int) -> int:
    """How many units share a bin."""
    return max(1, -(-units // MOST_BINS))


def binned(codes: Codes, most: int) -> Codes:
    """At most so many bins: what is owned twice or by nobody shows in its bin, else the commonest class does."""
    each = max(1, -(-len(codes) // most))
    if each == 1:
        return codes
    bins = np.pad(codes, (0, -len(codes) % each), mode="edge").reshape(-1, each)
    counts = np.stack([(bins == code).sum(axis=1) for code in range(int(codes.max()) + 1)])
    worst = bins.max(axis=1)
    chosen: Codes = np.where(worst >= NOBODY, worst, counts.argmax(axis=0)).astype(np.uint8)
    return chosen
