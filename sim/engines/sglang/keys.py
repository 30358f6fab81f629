"""The keys of the release's prefix tree, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.ledger.physical import Ints


def first_tokens(node: Any, count: int) -> Ints:
    """The token at each of a node's positions; where units are pairs of neighbours, the first of each."""
    tokens = node.key.token_ids[:count]
    if tokens and isinstance(tokens[0], tuple):
        return np.fromiter((pair[0] for pair in tokens), dtype=np.int64, count=count)
    return np.array(tokens, dtype=np.int64)
