"""A policy of one's own: retract the request that has decoded most, instead of the one that has decoded least.

kvledger run scenarios/workloads/burst.yaml --policy docs/examples/most_output_first.py:MostOutputFirst
"""

from typing import ClassVar


class MostOutputFirst:
    """The decision `victims`: `order` gives the indices of the batch, the first victim last."""

    decision: ClassVar[str] = "victims"
    name: ClassVar[str] = "most-output-first"

    def order(self, reqs, speculative):
        """Ascending by output, so that the request with the most output is popped first."""
        if speculative:
            return list(range(len(reqs)))
        return sorted(range(len(reqs)), key=lambda i: reqs[i].out)
