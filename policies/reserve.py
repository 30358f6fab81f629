"""Decision `reserve`: the bonus slot of a speculative round under overlap (22651)."""

from __future__ import annotations

from typing import ClassVar


class Late:
    """0.5.10: c grows by the whole accepted run when the round is resolved.

    The release refuses to open streaming sessions with speculation under overlap.
    """

    decision: ClassVar[str] = "reserve"
    name: ClassVar[str] = "late"
    preclaim: ClassVar[int] = 0
    gated: ClassVar[bool] = True


class Preclaimed:
    """22651: one slot of the run is claimed when the round is prepared; the gate is gone."""

    decision: ClassVar[str] = "reserve"
    name: ClassVar[str] = "preclaimed"
    preclaim: ClassVar[int] = 1
    gated: ClassVar[bool] = False
