"""Many boxes as one path, so that a figure of thousands of them stays small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from reports.style import INK

Box = tuple[float, float, float, float]
"""Left, low, right, high."""

_CODES = (Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY)


def boxes(
    ax: Axes,
    drawn: Sequence[Box],
    *,
    face: str,
    hatch: str = "",
    alpha: float = 1.0,
    edge: str | None = None,
    width: float = 0.0,
    **more: Any,
) -> PathPatch:
    """Fill these boxes in one look; `boxes_in` reads them back."""
    sides = np.asarray(drawn, dtype=np.float64).reshape(-1, 4)
    corners = sides[:, [0, 1, 2, 1, 2, 3, 0, 3, 0, 1]].reshape(-1, 2)
    path = Path(corners, np.tile(np.array(_CODES, dtype=Path.code_type), len(sides)))
    color = edge or (INK if hatch else "none")
    patch = PathPatch(path, facecolor=face, hatch=hatch, alpha=alpha, edgecolor=color, linewidth=width, **more)
    ax.add_patch(patch)
    return patch


def boxes_in(patch: PathPatch) -> list[Box]:
    """The boxes of a patch."""
    corners = np.asarray(patch.get_path().vertices).reshape(-1, 5, 2)
    return [(float(c[0, 0]), float(c[0, 1]), float(c[2, 0]), float(c[2, 1])) for c in corners]
