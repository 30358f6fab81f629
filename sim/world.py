"""What the forward pass "produces": token ids and accepted lengths, from (seed, name, position) alone.

Every engine asks the same world, so every engine sees the same tokens. Nothing here has state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

VOCABULARY_BITS = 20
EOS = 2
_FIRST_PLAIN = 16
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_PLAIN = np.uint64(_FIRST_PLAIN)
_SHIFT = np.uint64(64 - VOCABULARY_BITS)


def key_of(seed: int, name: str) -> int:
    """A 63-bit key for a named stream, the same on every machine and in every process."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def tokens_at(keys: Ints | int, positions: Ints) -> Ints:
    """The token of each stream at each position: plain tokens only, never EOS."""
    mixed = positions.astype(np.uint64)
    mixed *= _STEP
    mixed += np.asarray(keys, dtype=np.int64).astype(np.uint64)
    mixed *= _MIX
    mixed >>= _SHIFT
    mixed |= _PLAIN
    return mixed.view(np.int64)


def stream(key: int, start: int, stop: int) -> Ints:
    """Tokens `start` to `stop` of one stream."""
    return tokens_at(key, np.arange(start, stop, dtype=np.int64))


class TokenRun:
    """`tokens_at` for positions that advance by one: the same tokens for half the work."""

    __slots__ = ("_mixed", "_scratch")

    def __init__(self, keys: npt.NDArray[np.uint64], positions: Ints) -> None:
        self._mixed = positions.astype(np.uint64) * _STEP + keys
        self._scratch = np.empty_like(self._mixed)

    def next(self) -> Ints:
        """The tokens at the present positions; moves on. Valid until the next call."""
        tokens = self._scratch
        np.multiply(self._mixed, _MIX, out=tokens)
        np.right_shift(tokens, _SHIFT, out=tokens)
        np.bitwise_or(tokens, _PLAIN, out=tokens)
        np.add(self._mixed, _STEP, out=self._mixed)
        return tokens.view(np.int64)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """`length` tokens of the stream called `name`; equal segments are equal text."""

    name: str
    length: int


def text(seed: int, segments: Sequence[Segment]) -> Ints:
    """The tokens that these segments spell."""
    parts = [stream(key_of(seed, s.name), 0, s.length) for s in segments]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def accepted(key: int, round_: int, pattern: tuple[int, ...] | float, longest: int) -> int:
    """Tokens that verify round `round_` of a request accepts, 1 … longest.

    `pattern` is either a list that repeats, or the probability that one more draft is accepted.
    """
    if isinstance(pattern, tuple):
        return max(1, min(longest, pattern[round_ % len(pattern)]))
    count = 1
    while count < longest:
        if count % 8 == 1:
            bits = (key ^ ((round_ + (count // 8 << 32)) * 0x2545F4914F6CDD1D)) * 0xD6E8FEB86659FD93 & (1 << 64) - 1
            bits ^= bits >> 32
        if (bits & 0xFF) >= pattern * 256:
            break
        bits >>= 8
        count += 1
    return count
