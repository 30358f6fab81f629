"""What the prefix cache of a recurrent model does with requests: a text can be continued only where its state is kept.

match    the state of the deepest usable node is copied for the request, before it is known whether it will be admitted
prefill  a copy of the state is left in the tree: no_buffer at the end of what is computed, extra_buffer where the last
         snapshot stands; nothing is shared beyond that
finish   no_buffer the running state itself goes to the tree, extra_buffer the last snapshot; the rest is freed
"""

from __future__ import annotations

from typing import Any

from sim.engines.protocol import EngineCrash
from sim.memory.backend import Array
from sim.memory.mamba_tree import MambaTree
from sim.memory.states import StatePool
from sim.scheduler.cache import PrefixCache
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.streaming import require
from sim.scheduler.tracking import give_back, names_of

_KERNEL_GRID = 64
"""What the release prints as the grid of its kernel."""


class MambaCache(PrefixCache):
    """The tree with states, in use or disabled."""

    tree: MambaTree

    def __init__(self, memory: Memory, tree: MambaTree, states: StatePool) -> None:
        super().__init__(memory)
        self.tree = tree
        self.states = states

    @staticmethod
    def _real(node: Any) -> Any:
        if hasattr(node, "state_lock"):
            return node
        name = "'NoneType'" if node is None else "'_VirtualNode'"
        raise EngineCrash("AttributeError", f"{name} object has no attribute 'mamba_value'")

    # -- matching -----------------------------------------------------------------------------------------

    def match(self, req: Req, key_len: int) -> None:
        """Find what can be continued from, and copy its state for the request."""
        names = names_of(req)
        found = self.tree.find(self.tree.units(req.tokens(key_len)))
        req.prefix, req.last_node = found.slots, found.node
        req.protected = len(req.prefix)
        names.branching = self.states.branching(found.raw, req.protected)
        state = found.node.state
        if state is None:
            return
        if names.slot is None:
            names.slot = self._take_one(found.node, req)
        self.states.copy(state, names.slot, req.tag)

    def _take_one(self, node: Any, req: Req) -> int:
        """A free state slot; if there is none, one is evicted, but not that of `node`."""
        taken = self.states.alloc(1, req.tag)
        if taken is None:
            self.tree.lock(node)
            self.tree.evict_states(1)
            taken = self.states.alloc(1, req.tag)
            self.tree.unlock(node)
        require(taken is not None, "Can not alloc mamba cache")
        assert taken is not None
        return taken[0]

    # -- the end of a request -----------------------------------------------------------------------------

    def cache_finished(self, req: Req, insert: bool) -> None:
        """Keep what the tree may keep, free the rest up to c, and what is left of the states."""
        memory, tree, row = self.memory, self.tree, req.row
        committed = self.pop_committed(req)
        assert row is not None
        free = memory.allocator.free
        slots = memory.rows.read(row, 0, committed)
        if tree.disabled:
            free(slots, req.tag)
            give_back(self.states, req, row)
            return
        kept_snapshot: int | None = None
        existed = True
        if insert:
            kept_snapshot, existed = self._insert_finished(req, slots, committed)
        else:
            free(slots[req.protected :], req.tag)
        if self.states.buffered or existed:
            give_back(self.states, req, row, None if existed else kept_snapshot)
        self.unlock(req.last_node)

    def _insert_finished(self, req: Req, slots: Array, committed: int) -> tuple[int | None, bool]:
        """Insert up to where there is a state; which snapshot that is, and whether the tree had a state there."""
        names, buffered = names_of(req), self.states.buffered
        tokens = req.tokens(min(committed, req.seqlen))
        length = (names.tracked or 0) if buffered else len(tokens)
        if length != len(tokens):
            self.memory.allocator.free(slots[max(length, req.protected) :], req.tag)
            tokens, slots = tokens[:length], slots[:length]
        page = self.memory.page_size
        require(
            length == len(slots) // page * page,
            f"It is required cache_len={length}, page_aligned_len={len(slots) // page * page}, "
            f"kv_committed_len={committed}, len(req.origin_input_ids)={req.prompt_len}, "
            f"len(req.output_ids)={req.out}",
        )
        if buffered:
            assert names.next is not None
            number = self.states.other(names.next)
            state = names.snapshots[number]
        else:
            require(names.slot is not None, "")
            assert names.slot is not None
            number, state = None, names.slot
        _, existed = self.tree.insert_state(tokens, slots, state, req.tag, protected=req.protected)
        return number, existed

    # -- the end of a prefill -----------------------------------------------------------------------------

    def cache_unfinished(self, req: Req, chunked: bool) -> None:
        """Share the prefix that has a state, hold what the tree holds of it, keep the rest private."""
        memory, tree, states, row = self.memory, self.tree, self.states, req.row
        names = names_of(req)
        assert row is not None
        slots = memory.rows.read(row, 0, req.fill_len)
        length = names.tracked if states.buffered else req.fill_len
        if tree.disabled or length is None:
            req.prefix = slots
            return
        page = memory.page_size
        kept = slots[:length]
        aligned = len(kept) // page * page
        require(
            aligned == len(kept),
            f"page_aligned_len != len(kv_indices), page_aligned_len={aligned}, len(kv_indices)={len(kept)}, "
            f"cache_len={length}, self.page_size={page}, FLA_CHUNK_SIZE={_KERNEL_GRID}",
        )
        key = req.tokens(req.fill_len)[:length]
        fork = self._fork(req, row)
        present, existed = tree.insert_state(key, kept, fork, req.tag, protected=req.protected)
        if existed:
            states.free([fork], req.tag)
        held, node = tree.match_units(key)
        self._agree(req, held, node, present, None if existed else fork)
        memory.rows.write(row, req.protected, held[req.protected :])
        self.unlock(req.last_node)
        self.lock(node)
        req.prefix = memory.backend.cat([held, slots[len(held) :]])
        req.protected = len(held)
        names.tracked = None
        req.last_node = node

    def _fork(self, req: Req, row: int) -> int:
        """A copy of the request's state for the tree; if there is no slot for it, one is evicted."""
        names, states = names_of(req), self.states
        if states.buffered:
            assert names.next is not None
            source = names.snapshots[states.other(names.next)]
        else:
            source = states.of_row[row][0] or 0
        fork = states.fork(source, req.tag)
        if fork is None:
            self.tree.evict_states(1)
            fork = states.fork(source, req.tag)
        require(fork is not None, "Can not alloc mamba cache")
        assert fork is not None
        return fork

    def _agree(self, req: Req, held: Array, node: Any, present: int, fork: int | None) -> None:
        """What has just been inserted is found again."""
        if fork is not None:
            require(node.state == fork, "")
        require(
            req.protected <= len(held) + self.memory.page_size - 1,
            f"req.cache_protected_len={req.protected}, len(new_indices)={len(held)}",
        )
        require(present <= len(held), f"new_prefix_len={present}, len(new_indices)={len(held)}")
