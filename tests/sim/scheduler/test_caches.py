"""Which prefix cache the pools ask for, as the release would choose it."""

import pytest

from policies.releases import compose
from sim.config import MambaConfig, PoolConfig, RunConfig, SchedulerConfig, SwaConfig
from sim.scheduler.caches import prefix_cache
from sim.scheduler.memory import Memory

SWA, MAMBA = SwaConfig(tokens=80, window=8), MambaConfig(slots=8)


@pytest.mark.parametrize(
    ("pools", "radix", "chunked", "cache", "tree"),
    [
        ({}, True, None, "PrefixCache", "RadixTree"),
        ({}, False, 16, "PrefixCache", "RadixTree"),
        ({"swa": SWA}, True, None, "SwaCache", "SwaTree"),
        ({"mamba": MAMBA}, True, 16, "MambaCache", "MambaTree"),
        ({"mamba": MAMBA}, False, None, "MambaCache", "MambaTree"),
        ({"mamba": MAMBA}, False, 16, "PrefixCache", "RadixTree"),
        ({"swa": SWA, "mamba": MAMBA}, True, None, "SwaCache", "SwaTree"),
    ],
)
def test_the_cache_of_these_pools(pools, radix, chunked, cache, tree):
    pool = PoolConfig(tokens=100, rows=4, context=64, **pools)
    knobs = SchedulerConfig(radix=radix, chunked_prefill=chunked, overlap=False)
    memory = Memory(RunConfig(pool=pool, scheduler=knobs), compose("sglang-0.5.11"))
    assert (type(prefix_cache(memory)).__name__, type(memory.tree).__name__) == (cache, tree)
    assert memory.tree.manages_states == (tree == "MambaTree")
