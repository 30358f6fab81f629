"""The KV tensor `[slots, words]`, sized by a model preset, and the canary header in its first word.

    header, int64: │ writer: 22 bits │ position + 1: 21 bits │ token: 20 bits │        0 = never written

Writing a token stores all three; reading a prefix compares position and token. The writer is kept for the report
only: a slot's content may lawfully come from another request (a shared prefix).
"""

from __future__ import annotations

import numpy as np
import torch

from sim.memory.backend import Array, Backend
from sim.memory.presets import HEADER_BYTES, Preset
from sim.world import VOCABULARY_BITS

POSITION_BITS = 21
_POSITION = VOCABULARY_BITS
_WRITER = VOCABULARY_BITS + POSITION_BITS
CONTENT_MASK = (1 << _WRITER) - 1
_WRITERS = 1 << 22
GARBAGE = 1
"""The token of a rejected draft: in no vocabulary stream."""


def writer_base(serial: int) -> int:
    """The header bits that name a writer."""
    return (serial % _WRITERS) << _WRITER


PLACE_STEP = np.int64(1 << _POSITION)
"""What a header grows by from one position to the next, token apart."""


def header_of(positions: Array, tokens: Array, base: int | Array = 0) -> Array:
    """Headers for tokens at positions."""
    return ((positions + 1) << _POSITION) + tokens + base


class KVPool:
    """One slot per token; slot 0 is padding."""

    def __init__(self, backend: Backend, slots: int, preset: Preset) -> None:
        words = max(1, preset.kv_bytes_per_token // HEADER_BYTES)
        self.preset = preset
        self.tensor: torch.Tensor
        self.tensor, array = backend.zeros((slots, words))
        self.headers: Array = array[:, 0]
        self._backend = backend

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return self.tensor.numel() * self.tensor.element_size()

    def write(self, slots: Array, headers: Array) -> None:
        """Store the headers of tokens computed by the forward pass."""
        self.headers[slots] = headers

    def off(self, found: Array, positions: Array, tokens: Array) -> Array:
        """Where headers that were found are not those of these tokens at these positions."""
        return differ(found, self._backend.send(header_of(positions, tokens)))

    def wrong(self, slots: Array, positions: Array, tokens: Array) -> list[int]:
        """Indices at which the slots do not hold these tokens of these positions; waits for a device."""
        off = self._backend.get(self.off(self.headers[slots], positions, tokens))
        return [int(i) for i in off.nonzero()[0]]

    def describe(self, slot: int) -> str:
        """What one slot holds; waits for a device."""
        return described(int(self.headers[slot]))


def differ(found: Array, expected: Array) -> Array:
    """Where headers differ; who wrote them does not matter."""
    return (found & CONTENT_MASK) != expected


def described(header: int) -> str:
    """A header in words."""
    if header == 0:
        return "[never written]"
    position = ((header >> _POSITION) & ((1 << POSITION_BITS) - 1)) - 1
    return f"[token {header & ((1 << VOCABULARY_BITS) - 1)}, position {position}]"
