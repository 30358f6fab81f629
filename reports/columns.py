"""What is in force over time, in as many columns as a figure can show: of each column the worst."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reports.series import Floats, Ints

Runs = list[tuple[float, float, int]]
"""Start, end and value of each stretch."""


def edges_of(event: Ints, end: float, most: int) -> Floats:
    """The events themselves where there are few, and equal columns where there are many."""
    if len(event) <= most:
        return np.append(event, end).astype(np.float64)
    return np.linspace(float(event[0]), end, most + 1)


def worst(event: Ints, rank: npt.NDArray[np.integer], edges: Floats) -> npt.NDArray[np.integer]:
    """The greatest rank (along the first axis) in force during each column; a value lasts until the next event."""
    first = np.clip(np.searchsorted(event, edges[:-1], side="right") - 1, 0, None)
    last = np.clip(np.searchsorted(event, edges[1:], side="left"), first + 1, None)
    bounds = np.column_stack([first, last]).ravel()
    padded = np.concatenate([rank, rank[-1:]])
    return np.asarray(np.maximum.reduceat(padded, bounds, axis=0)[::2])


def runs_of(values: npt.NDArray[np.integer], edges: Floats) -> Runs:
    """Stretches of one value, in order."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1])
    stops = np.append(starts[1:], len(values))
    return [
        (float(edges[a]), float(edges[b]), int(values[a])) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)
    ]
