"""Mistakes in allocators, rows and tree."""

from __future__ import annotations

from helpers.mistakes.base import Mistake

from sim.memory import allocator, rows, tree
from sim.scheduler import cache, memory

MISTAKES = (
    Mistake(
        title="freed pages go to the end", owner=allocator.PagedAllocator, name="free",
        right="self.free_list.put_front(pages)", wrong="self.free_list.put_back(pages)",
    ),
    Mistake(
        title="a group frees a page twice", owner=allocator.PagedAllocator, name="group_end",
        right="self._backend.unique(self._backend.cat(held))", wrong="self._backend.cat(held)",
    ),
    Mistake(
        title="decode takes its page a step late", owner=allocator.PagedAllocator, name="alloc_decode",
        right="(seq - 1) % self.page_size == 0", wrong="seq % self.page_size == 0",
    ),
    Mistake(
        title="rows are handed back to the front", owner=rows.RowPool, name="give_back",
        right="self.free.append(row)", wrong="self.free.appendleft(row)",
    ),
    Mistake(
        title="match does not refresh what it uses", owner=tree.RadixTree, name="match_units",
        right="self._touch(child, now)", wrong="pass",
    ),
    Mistake(
        title="eviction goes on when there is enough", owner=tree.RadixTree, name="evict",
        right="while freed < tokens", wrong="while freed <= tokens",
    ),
    Mistake(
        title="a split forgets the hits", owner=tree.RadixTree, name="_split",
        right="upper.hits = child.hits", wrong="pass",
    ),
    Mistake(
        title="a chunk counts as a hit", owner=tree.RadixTree, name="insert",
        right="node.hits += not chunked", wrong="node.hits += 1", pools=("full",),
    ),
    Mistake(
        title="a split loses the lock", owner=tree.RadixTree, name="_split",
        right="upper.lock_ref = child.lock_ref", wrong="pass",
    ),
    Mistake(
        title="an emptied parent is never evicted", owner=tree.RadixTree, name="_remove",
        right="self.leaves.push(parent)", wrong="pass",
    ),
    Mistake(
        title="a lock is not released at the end", owner=cache.PrefixCache, name="cache_finished",
        right="self.unlock(req.last_node)", wrong="pass",
    ),
    Mistake(
        title="duplicates of an insert not freed", owner=cache.PrefixCache, name="cache_unfinished",
        right="memory.allocator.free(slots[start:present], req.tag)", wrong="pass",
    ),
    Mistake(
        title="unaligned end of a request not freed", owner=cache.PrefixCache, name="cache_finished",
        right="free(slots[len(key) :], req.tag)", wrong="pass",
    ),
    Mistake(
        title="p not moved after a prefill", owner=cache.PrefixCache, name="cache_unfinished",
        right="req.protected = len(held)", wrong="req.protected = start",
    ),
    Mistake(
        title="eviction asks for the shortfall only", owner=memory.Memory, name="evict_to",
        right="self.tree.evict(tokens)", wrong="self.tree.evict(tokens - self.allocator.available())",
    ),
)  # fmt: skip
