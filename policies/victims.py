"""Decision `victims`: who is retracted first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sim.scheduler.request import Req


class FewestOutput:
    """The request with the fewest output tokens, then the longest prompt; with speculation from the back."""

    decision: ClassVar[str] = "victims"
    name: ClassVar[str] = "fewest-output"

    def order(self, reqs: list[Req], speculative: bool) -> list[int]:
        """Indices, the first victim last."""
        indices = list(range(len(reqs)))
        if not speculative:
            indices.sort(key=lambda i: (reqs[i].out, -reqs[i].prompt_len), reverse=True)
        return indices
