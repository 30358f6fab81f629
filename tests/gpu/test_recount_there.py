"""The full recount and the canaries of a large pool, on a GPU."""

import torch

from sim.bench.device import Full


def test_a_large_pool_is_counted_where_it_lies():
    pool = Full("cuda", 1_000_000, "tiny")
    pool.fill()
    assert pool.sound()
    memory = pool._engine.scheduler.memory
    kept = int(memory.kv.headers[77])
    memory.kv.headers[77] = 5
    assert not pool.sound()
    memory.kv.headers[77] = kept
    memory.rows.array[1, 9] = int(memory.rows.array[2, 9])
    assert not pool.sound()


def test_all_that_the_pools_are_made_of_lies_there():
    pool = Full("cuda", 4000, "tiny")
    pool.fill()
    memory = pool._engine.scheduler.memory
    tensors = [memory.kv.tensor, memory.rows.tensor, memory.allocator.free_list.tensor]
    tensors += [owners.tensor for owners in memory.ledger.pools.values()]
    assert {tensor.device.type for tensor in tensors} == {"cuda"}
    assert torch.cuda.memory_allocated() > 4000 * 8
