"""What the prefix cache of a model with windowed layers does for requests.

finish:  insert [0, floor(c)), tombstone below e │ the tree frees the duplicates │ free the unaligned tail │ unlock
prefill: insert floor(fill) │ the tree frees the duplicates │ point the row at the tree's slots │ p grows │ lock anew
"""

from __future__ import annotations

from typing import Any

from sim.engines.protocol import EngineCrash
from sim.memory.swa_tree import SwaNode
from sim.scheduler.cache import PrefixCache
from sim.scheduler.request import Req
from sim.scheduler.session import VirtualNode


class SwaCache(PrefixCache):
    """The tree of two halves, the disabled tree or the chunk cache, seen by requests."""

    def lock(self, node: Any) -> int | None:
        """Protect the path of a node; the mark where the lock of its windowed half ends."""
        if self.memory.chunk_cache or self.tree.disabled:
            return None
        mark: int | None = self.tree.lock_until(self._real(node))
        return mark

    def unlock(self, node: Any, mark: int | None = None) -> None:
        """Undo one lock."""
        if not (self.memory.chunk_cache or self.tree.disabled):
            self.tree.unlock_until(self._real(node), mark)

    @staticmethod
    def _real(node: Any) -> Any:
        if not isinstance(node, SwaNode):
            name = "'_VirtualNode'" if isinstance(node, VirtualNode) else "'NoneType'"
            raise EngineCrash("AttributeError", f"{name} object has no attribute 'full_lock_ref'")
        return node

    def cache_finished(self, req: Req, insert: bool) -> None:
        """The request ends or is retracted: keep what the tree may keep, free the rest up to c."""
        memory, tree = self.memory, self.tree
        committed = self.pop_committed(req)
        row = req.row
        assert row is not None
        free = memory.allocator.free
        slots = memory.rows.read(row, 0, committed)
        if memory.chunk_cache or tree.disabled:
            free(slots, req.tag)
            return
        key = tree.units(req.tokens(min(committed, req.seqlen)))
        if insert:
            kept = slots[: len(key)]
            tree.insert_cut(key, kept, req.tag, protected=req.protected, evicted=req.evicted)
        else:
            free(slots[req.protected : len(key)], req.tag)
        free(slots[len(key) :], req.tag)
        self.unlock(req.last_node, req.mark)

    def cache_unfinished(self, req: Req, chunked: bool) -> None:
        """A prefill (or a chunk of one) is done: share it, and hold what the tree holds."""
        memory, tree = self.memory, self.tree
        row = req.row
        assert row is not None
        slots = memory.rows.read(row, 0, req.fill_len)
        if memory.chunk_cache or tree.disabled:
            req.prefix = slots
            return
        key = tree.units(req.tokens(req.fill_len))
        start = req.protected
        present = tree.insert_cut(key, slots[: len(key)], req.tag, protected=start)
        held, node = tree.match_units(key)
        if start > len(held) or present > len(held):
            raise EngineCrash("AssertionError", f"old_prefix_len={start}, new_prefix_len={present}, {len(held)}")
        memory.rows.write(row, start, held[start:])
        req.protected = len(held)
        self.unlock(req.last_node, req.mark)
        req.mark = self.lock(node)
        rest = slots[len(held) :]
        req.prefix = memory.backend.cat([held, rest]) if len(rest) else held
        req.last_node = node
