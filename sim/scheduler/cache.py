"""What the prefix cache does at the end of a prefill and at the end of a request.

finish:  insert [0, floor(c)) │ free the duplicates [p, present) │ free the unaligned tail │ unlock
prefill: insert floor(fill)   │ free the duplicates │ point the row at the tree's slots │ p grows │ lock anew
"""

from __future__ import annotations

from sim.engines.protocol import EngineCrash
from sim.memory.tree import Node
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.session import VirtualNode


class PrefixCache:
    """The radix tree, the disabled tree or the chunk cache, seen by requests."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.tree = memory.tree

    def pop_committed(self, req: Req) -> int:
        """c, once: the second time is the release's assertion."""
        if req.freed:
            raise EngineCrash("AssertionError", f"Committed KV cache already freed ({req.committed=})")
        req.mark_freed()
        return req.committed

    def lock(self, node: Node | VirtualNode | None) -> int | None:
        """Protect the path of a node of the tree; where the lock of a windowed half ends, if there is one."""
        if not (self.memory.chunk_cache or self.tree.disabled):
            self.tree.lock(self._real(node))
        return None

    def unlock(self, node: Node | VirtualNode | None, mark: int | None = None) -> None:
        """Undo one lock."""
        if self.memory.chunk_cache or self.tree.disabled:
            return
        self.tree.unlock(self._real(node))

    @staticmethod
    def _real(node: Node | VirtualNode | None) -> Node:
        if not isinstance(node, Node):
            name = "'_VirtualNode'" if isinstance(node, VirtualNode) else "'NoneType'"
            raise EngineCrash("AttributeError", f"{name} object has no attribute 'lock_ref'")
        return node

    def match(self, req: Req, key_len: int) -> None:
        """Find the cached prefix of the first `key_len` tokens."""
        if self.memory.chunk_cache:
            req.prefix, req.last_node = self.memory.backend.put([]), None
        else:
            req.prefix, req.last_node = self.tree.match(req.tokens(key_len))
        req.protected = len(req.prefix)

    def cache_finished(self, req: Req, insert: bool) -> None:
        """The request ends or is retracted: keep what the tree may keep, free the rest up to c."""
        memory, tree = self.memory, self.tree
        committed = self.pop_committed(req)
        row = req.row
        assert row is not None
        free = memory.allocator.free
        if memory.chunk_cache or tree.disabled:
            free(memory.rows.read(row, 0, committed), req.tag)
            return
        tokens = req.tokens(committed)
        slots = memory.rows.read(row, 0, len(tokens))
        key = tree.units(tokens)
        kept = slots[: len(key)]
        start = req.protected
        if insert:
            present = tree.insert(key, kept, req.tag, priority=req.priority or 0)
            free(slots[start:present], req.tag)
        else:
            free(slots[start : len(key)], req.tag)
        free(slots[len(key) :], req.tag)
        if memory.release.base != "0.5.11" or req.last_node is not None:
            self.unlock(req.last_node)

    def cache_unfinished(self, req: Req, chunked: bool) -> None:
        """A prefill (or a chunk of one) is done: share it, and hold what the tree holds."""
        memory, tree = self.memory, self.tree
        row = req.row
        assert row is not None
        if memory.chunk_cache:
            req.prefix = memory.rows.read(row, 0, req.fill_len)
            return
        if tree.disabled:
            return
        slots = memory.rows.read(row, 0, req.fill_len)
        key = tree.units(req.tokens(req.fill_len))
        start = req.protected
        present = tree.insert(key, slots[: len(key)], req.tag, priority=req.priority or 0, chunked=chunked)
        memory.allocator.free(slots[start:present], req.tag)
        held, node = tree.match_units(key)
        if len(held) != len(key):
            raise EngineCrash("AssertionError", f"len(new_indices)={len(held)}, len(keys)={len(key)}")
        memory.rows.write(row, start, held[start:])
        req.protected = len(held)
        self.unlock(req.last_node)
        self.lock(node)
        rest = slots[len(held) :]
        req.prefix = memory.backend.cat([held, rest]) if len(rest) else held
        req.last_node = node
