"""What the trees with two halves share: order of use, walking, splitting.

full half    every node has it: value, lock_ref, evictable and protected, as in the plain tree
other half   windowed KV or a recurrent state; a node without it is a tombstone

Each half has a list in order of use, from which eviction takes. A node moves in both at once, so one number per node
(`last_access`, never given twice) is both lists; two heaps find who may go first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.ledger.owners import Ledger, Tag
from sim.memory.allocator import PagedAllocator, TokenAllocator
from sim.memory.backend import Array, Backend
from sim.memory.eviction import LeafHeap
from sim.memory.tree import Node, RadixTree, Units


class HalfNode(Node):
    """A node with a second half, or a tombstone in its place."""

    __slots__ = ("other_lock", "tombstone")

    def __init__(self, key: Units, value: Array, parent: Node | None, tag: Tag, now: int, priority: int) -> None:
        super().__init__(key, value, parent, tag, now, priority)
        self.other_lock = 0
        self.tombstone = False


def _last_use(node: Node) -> int:
    return node.last_access


class HalvesTree(RadixTree):
    """A prefix cache in which each half of a node is locked and given up for itself."""

    node_type: type[Node] = HalfNode

    def __init__(
        self,
        backend: Backend,
        allocator: TokenAllocator | PagedAllocator,
        ledger: Ledger,
        *,
        pairs: bool = False,
        disabled: bool = False,
    ) -> None:
        super().__init__(backend, allocator, ledger, pairs=pairs, eviction=_last_use, disabled=disabled)
        self.others: LeafHeap[Any] = LeafHeap(_last_use)
        self.other_evictable = 0
        self.other_protected = 0

    # -- order of use -------------------------------------------------------------------------------------

    def use(self, node: Node) -> None:
        """The node is the most recently used one of both lists."""
        node.last_access = self._tick()
        self.leaves.touch(node)
        self.others.touch(node)

    def use_path(self, node: Node) -> None:
        """The nodes from the root to `node` were used; the nearer to the root, the longer ago."""
        path = []
        at: Node | None = node
        while at is not None and at is not self.root:
            path.append(at)
            at = at.parent
        for passed in reversed(path):
            self.use(passed)

    def by_use(self, *, other: bool) -> list[Any]:
        """The nodes of one list, least recently used first."""
        nodes: list[Any] = sorted(self.nodes(), key=_last_use)
        return [node for node in nodes if not node.tombstone] if other else nodes

    # -- walking and splitting ----------------------------------------------------------------------------

    def walk(self, key: Units) -> Iterator[tuple[Any, int]]:
        """The nodes along `key`, each with how much of it `key` shares; the last one may share a part only."""
        node = self.root
        while len(key):
            child = node.children.get(self._child_key(key))
            if child is None:
                return
            shared = self._shared(child.key, key)
            whole = shared == len(child.key)
            yield child, shared
            if not whole:
                return
            node, key = child, key[shared:]

    def _split(self, child: Node, length: int) -> Any:
        """As in the plain tree; the two parts become the most recently used nodes, the lower one last."""
        upper = super()._split(child, length)
        self._split_other(upper, child)
        self.use(upper)
        self.use(child)
        return upper

    def _split_other(self, upper: Any, child: Any) -> None:
        """Divide the other half between the new upper part and the node."""
        raise NotImplementedError
