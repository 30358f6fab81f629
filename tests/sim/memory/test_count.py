"""Two thousand random sequences: a count over dictionaries agrees with every pool after every operation."""

from collections import Counter

import pytest
from helpers.countworld import KINDS, World

SEQUENCES, LENGTH, BLOCKS = 2_000, 24, 10
CASES = [(kind, page) for kind in KINDS for page in (1, 4)]
EACH = -(-SEQUENCES // (len(CASES) * BLOCKS))


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize(("kind", "page"), CASES)
def test_the_count_agrees_after_every_operation(kind, page, block):
    for seed in range(block * EACH, (block + 1) * EACH):
        world, done = World(kind, page, seed), []
        try:
            for _ in range(LENGTH):
                done.append(world.step())
        except Exception as error:
            error.add_note(f"{kind}, pages of {page}, seed {seed}, operation {len(done)} after {done}")
            raise


@pytest.mark.parametrize(("kind", "page"), CASES)
def test_every_operation_does_something_in_these_sequences(kind, page):
    seen = Counter()
    for seed in range(40):
        world = World(kind, page, seed)
        for _ in range(LENGTH):
            tree, lives = len(world.count.tree), len(world.lives)
            name = world.step()
            changed = (len(world.count.tree), len(world.lives)) != (tree, lives)
            seen.update([name] if changed or name in ("window", "peek", "grow", "evict_states") else [])
            seen["tombstone"] += any(entry.half is None for entry in world.count.tree.values())
            seen["divided"] += len(world.count.ends) > 2
            seen["locked"] += any(entry.locks for entry in world.count.tree.values())
            seen["shared states"] += any(entry.state is not None for entry in world.count.tree.values())
    wanted = ["start", "grow", "share", "end", "end_many", "evict", "peek", "divided", "locked"]
    wanted += {"swa": ["window", "tombstone"], "mamba": ["evict_states", "shared states"]}.get(kind, [])
    assert [word for word in wanted if seen[word] < 10] == []
