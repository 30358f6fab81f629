"""For want of which pool a release has raised."""

import pytest

from sim.ledger.shortage import short_of

HALVES = "Decode out of memory. Available full tokens: {0} (full_available_size={0} + full_evictable_size=0)\n" \
    "Available swa tokens: {1} (swa_available_size={1} + swa_evictable_size=9)\n"  # fmt: skip


@pytest.mark.parametrize(
    ("message", "pool"),
    [
        ("Can not alloc mamba cache", "mamba"),
        ("Not enough space for mamba cache, try to increase --mamba-full-memory-ratio", "mamba"),
        ("Not enough space for mamba ping pong idx, try to increase --mamba-full-memory-ratio.", "mamba"),
        ("alloc_req_slots runs out of memory. Please set a smaller number", "rows"),
        ("Out of memory. Available tokens: 3 (available_size=3 + evictable_size=0)", "full"),
        (HALVES.format(304, 16), "swa"),
        (HALVES.format(2, 16), "full"),
        (HALVES.format(0, 0), "full"),
        ("pool memory leak detected! full_available_size=9, swa_available_size=3", None),
        ("'_VirtualNode' object has no attribute 'lock_ref'", None),
    ],
)
def test_what_a_release_says_names_the_pool(message, pool):
    assert short_of(message) == pool
