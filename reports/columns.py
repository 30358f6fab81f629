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
    return _reduced(np.maximum, event, rank, edges)


def least(event: Ints, values: npt.NDArray[np.integer], edges: Floats) -> npt.NDArray[np.integer]:
    """The least value in force during each column."""
    return _reduced(np.minimum, event, values, edges)


def summed(event: Ints, values: npt.NDArray[np.integer], edges: Floats) -> npt.NDArray[np.integer]:
    """The sum of the values in force during each column."""
    return _reduced(np.add, event, values, edges)


def _reduced(
    join: np.ufunc, event: Ints, values: npt.NDArray[np.integer], edges: Floats
) -> npt.NDArray[np.integer]:
    first = np.clip(np.searchsorted(event, edges[:-1], side="right") - 1, 0, None)
    last = np.clip(np.searchsorted(event, edges[1:], side="left"), first + 1, None)
    bounds = np.column_stack([first, last]).ravel()
    padded = np.concatenate([values, values[-1:]])
    return np.asarray(join.reduceat(padded, bounds, axis=0)[::2])


def mean(event: Ints, values: npt.NDArray[np.integer], edges: Floats) -> Floats:
    """The mean of what is in force during each column, each value for as long as it lasts."""
    turns = np.append(event, edges[-1]).astype(np.float64)
    area = np.concatenate([[0.0], np.cumsum(values * np.diff(turns))])
    return np.asarray(np.diff(np.interp(edges, turns, area)) / np.diff(edges))


def runs_of(values: npt.NDArray[np.integer], edges: Floats) -> Runs:
    """Stretches of one value, in order."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1])
    stops = np.append(starts[1:], len(values))
    return [
        (float(edges[a]), float(edges[b]), int(values[a])) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)
    ]
