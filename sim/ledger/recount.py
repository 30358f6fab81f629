"""The full recount: who owns what, from the tensors and the rows themselves.

Nothing here uses the allocators' or the books' own arithmetic: free lists are read, the tree is walked, each row is
followed from its first position to its last. It costs O(pool) and is done on demand.

On a device it is first asked there whether all is sound (`sound.py`); only what is not is counted here, from copies.

full    named by rows and nodes
swa     named by whoever names the full slot that is mapped to it; how far the window has freed is not asked
mamba   named by requests, sessions and nodes themselves
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.ledger import holders
from sim.ledger.findings import PoolCount
from sim.ledger.owners import FREE, TagPool
from sim.ledger.physical import Holder, Ints, count_rows, tally
from sim.memory.freelist import FreeList
from sim.memory.states import StatePool
from sim.memory.swa import SwaPool

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler

_NOTHING = np.empty(0, dtype=np.int64)


class Recount:
    """Counts a scheduler's memory."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._memory = scheduler.memory
        self._page = scheduler.memory.page_size

    def counts(self) -> dict[str, PoolCount]:
        """Every pool."""
        memory = self._memory
        naming = list(holders.of_rows(self._scheduler))
        if memory.backend.deferred and self._sound_on_device(naming):
            counts = {pool: PoolCount(pool, 0, 0, (), ()) for pool in self._scheduler.config.pool.names}
            if memory.states is not None:
                counts["mamba"] = self._states(memory.states)
            return counts | {"rows": self._rows(naming)}
        table = memory.backend.lying(memory.rows.tensor, memory.rows.array)
        slots = _joined([np.asarray(table[holder.row, : holder.stop], dtype=np.int64) for holder in naming])
        nodes = _joined([self._plain(node.value) for node in memory.tree.nodes()])
        counts = {"full": self._full(naming, slots, nodes)}
        if memory.swa is not None:
            counts["swa"] = self._swa(memory.swa, naming, slots, nodes)
        if memory.states is not None:
            counts["mamba"] = self._states(memory.states)
        return counts | {"rows": self._rows(naming)}

    def _sound_on_device(self, naming: Sequence[Holder]) -> bool:
        """Whether the pools of tokens are sound; one flag is read."""
        from sim.ledger import sound

        memory, page = self._memory, self._page
        where = sound.places(memory.backend, memory.rows.width, naming, page)
        tree = memory.backend.send(sound.starts([node.value for node in memory.tree.nodes()], page))
        flat, free_lists = memory.rows.tensor.reshape(-1), memory.free_lists
        told = sound.Rows(flat, where).counted(memory.total // page, page, free_lists[0].on_device, tree)
        if memory.swa is not None:
            mapping, units = memory.swa.mapping_tensor, memory.swa.total // page
            halves = sound.Rows(flat, where, mapping)
            told += halves.counted(units, page, free_lists[1].on_device, mapping[tree])
        return sound.agree(memory.backend, told)

    def _full(self, naming: Sequence[Holder], slots: Ints, nodes: Ints) -> PoolCount:
        """Each page must stand once in the free list, or be named by one owner."""
        page, memory = self._page, self._memory
        free = memory.allocator.free_list.lying()
        counted = tally(page, memory.total // page, free, nodes[::page] // page, naming, slots // page)
        return counted.count("full")

    def _swa(self, swa: SwaPool, naming: Sequence[Holder], slots: Ints, nodes: Ints) -> PoolCount:
        """The same, each full slot taken for the windowed one behind it; 0 is none."""
        page, mapping = self._page, self._memory.backend.lying(swa.mapping_tensor, swa.mapping)
        free = swa.allocator.free_list.lying()
        in_tree, in_rows = (mapping[at] // page for at in (nodes[::page], slots))
        return tally(page, swa.total // page, free, in_tree, naming, in_rows).count("swa")

    def _states(self, states: StatePool) -> PoolCount:
        """Each slot must stand once in the free list, or be named by one request, session or node."""
        named = list(holders.of_states(self._scheduler))
        naming = [Holder(tag, -1, 0, len(slots)) for tag, slots in named]
        kept = [getattr(node, "state", None) for node in self._memory.tree.nodes()]
        in_tree = np.array([slot for slot in kept if slot is not None], dtype=np.int64)
        slots = np.array([slot for _, slots in named for slot in slots], dtype=np.int64)
        free = states.free_list.lying()
        return tally(1, states.size, free, in_tree, naming, slots).count("mamba")

    def _rows(self, naming: Sequence[Holder]) -> PoolCount:
        """Each must be free, or named by one owner."""
        rows = self._memory.rows
        return count_rows(rows.first, rows.count, rows.free, naming)

    def _plain(self, array: object) -> Ints:
        return np.asarray(self._memory.backend.get(array), dtype=np.int64)

    # -- owner tags ---------------------------------------------------------------------------------------

    def postings_differ(self) -> str | None:
        """Whether the owner tags say other than the free lists, although no posting went wrong: our own mistake."""
        memory = self._memory
        pools: list[tuple[str, FreeList, TagPool]] = [("", memory.allocator.free_list, memory.allocator.owners)]
        if memory.swa is not None:
            pools.append((" of swa", memory.swa.allocator.free_list, memory.swa.allocator.owners))
        if memory.states is not None:
            pools.append((" of mamba", memory.states.free_list, memory.states.owners))
        for name, free_list, owners in pools:
            if owners.tainted or (memory.backend.deferred and self._tags_agree(free_list, owners)):
                continue
            # A unit given back twice at once stands twice in the list: the release's doing, and counted as such.
            # Padding that was given back is no unit: how it came there has been told.
            tags, free = memory.backend.get(owners.tags)[1:], np.unique(free_list.lying())
            free = free[free > 0]
            tagged = np.count_nonzero(tags == FREE)
            if len(free) != tagged or np.any(tags[free - 1]):
                return f"{len(free)} units{name} are in the free list, {tagged} are tagged as free"
        return None

    def _tags_agree(self, free_list: FreeList, owners: TagPool) -> bool:
        """Whether a device finds the units tagged as free to be those in the free list."""
        from sim.ledger.sound import agree, tagged

        return agree(self._memory.backend, tagged(owners.tensor, free_list.on_device))


def _joined(runs: Sequence[Ints]) -> Ints:
    return np.concatenate(runs) if runs else _NOTHING
