"""The prefix cache of models with recurrent layers: a node may hold the state that stands after its last token.

full lock    the whole path, as in the plain tree
state lock   the locked node alone
tombstone    a node without a state: what it caches cannot be continued from, only from an ancestor with a state;
             leaves always have one
eviction     of states: least recently used first; an inner node loses its state, a leaf goes as a whole
             of tokens: least recently used leaves; tombstones that are left without children go with them
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim.ledger.owners import NODE, Ledger, Tag
from sim.memory.allocator import PagedAllocator, TokenAllocator
from sim.memory.backend import Array, Backend
from sim.memory.halves import HalfNode, HalvesTree
from sim.memory.states import StatePool
from sim.memory.tree import Node, Units


class MambaNode(HalfNode):
    """A node and its state slot."""

    __slots__ = ("state",)

    def __init__(self, key: Units, value: Array, parent: Node | None, tag: Tag, now: int, priority: int) -> None:
        super().__init__(key, value, parent, tag, now, priority)
        self.state: int | None = None
        self.tombstone = True

    @property
    def state_lock(self) -> int:
        """Requests that continue from this very state."""
        return self.other_lock


@dataclass(frozen=True, slots=True)
class Found:
    """A match: what can be continued from, and `raw`, how many tokens are cached at all."""

    slots: Array
    node: Any
    raw: int


class MambaTree(HalvesTree):
    """Prefix cache over token slots and state slots."""

    manages_states = True
    node_type: type[Node] = MambaNode

    def __init__(
        self,
        backend: Backend,
        allocator: TokenAllocator | PagedAllocator,
        states: StatePool,
        ledger: Ledger,
        *,
        disabled: bool = False,
    ) -> None:
        super().__init__(backend, allocator, ledger, disabled=disabled)
        self.states = states

    # -- match and insert ---------------------------------------------------------------------------------

    def match_units(self, key: Units) -> tuple[Array, Node]:
        """Slots of the longest prefix that can be continued from, and its node."""
        found = self.find(key)
        return found.slots, found.node

    def find(self, key: Units) -> Found:
        """As `match_units`, and how long the cached prefix is without regard to states."""
        if self.disabled or not len(key):
            return Found(self.backend.put([]), self.root, 0)
        best: Any = self.root
        values: list[Array] = []
        usable = raw = 0
        for child, shared in self.walk(key):
            node = child
            if shared < len(child.key):
                node = self._split(child, shared)
            values.append(node.value)
            raw += shared
            if node.state is not None:
                best, usable = node, len(values)
        self.use_path(best)
        slots = self.backend.cat(values[:usable]) if usable else self.backend.put([])
        return Found(slots, best, raw)

    def insert_state(self, key: Units, value: Array, state: int, owner: Tag, *, protected: int) -> tuple[int, bool]:
        """Add `key` → `value` with the state after its last token; how much was there, and whether a state was.

        What was there already is freed from `protected` on. A state that is not taken stays the owner's.
        """
        if self.disabled:
            return 0, False
        if not len(key):
            return 0, True
        node: Any = self.root
        present = 0
        for child, shared in self.walk(key):
            self.use(child)
            if protected < present + shared:
                self.allocator.free(value[max(0, protected - present) : shared], owner)
            present += shared
            value = value[shared:]
            node = self._split(child, shared) if shared < len(child.key) else child
        key = key[present:]
        if len(key):
            node = self._new_leaf(node, key, value, owner)
        else:
            self.use(node)
            if node.state is not None:
                return present, True
        self._adopt(node, state, owner)
        return present, False

    def _new_leaf(self, parent: Any, key: Units, value: Array, owner: Tag) -> MambaNode:
        leaf = MambaNode(key, self.backend.copy(value), parent, self._ledger.tag(NODE, ""), self._tick(), 0)
        parent.children[self._child_key(key)] = leaf
        self._post(leaf.value, owner, leaf.tag, "insert")
        self.evictable += len(key)
        self.leaves.discard(parent)
        self.leaves.push(leaf)
        return leaf

    def _adopt(self, node: MambaNode, state: int, owner: Tag) -> None:
        """The node takes over a state."""
        node.state, node.tombstone = state, False
        self.states.give(state, owner, node.tag)
        self.other_evictable += 1
        self.others.push(node)

    def _split_other(self, upper: MambaNode, child: MambaNode) -> None:
        """A state cannot be divided: it stays below."""

    # -- locks --------------------------------------------------------------------------------------------

    def lock(self, node: Any) -> None:
        """Protect the path, and the state of the node itself."""
        if self.disabled:
            return
        if node.state is not None:
            if node.other_lock == 0:
                self.other_evictable -= 1
                self.other_protected += 1
                self.others.discard(node)
            node.other_lock += 1
        super().lock(node)

    def unlock(self, node: Any) -> None:
        """Undo one `lock`."""
        if self.disabled:
            return
        if node.state is not None:
            if node.other_lock == 1:
                self.other_evictable += 1
                self.other_protected -= 1
                self.others.push(node)
            node.other_lock -= 1
        super().unlock(node)

    # -- eviction -----------------------------------------------------------------------------------------

    def evict(self, tokens: int) -> int:
        """Free whole unlocked leaves, and tombstones left bare, until `tokens` are freed; how many were."""
        freed = 0
        while freed < tokens and not self.disabled:
            leaf = self.leaves.pop()
            if leaf is None:
                break
            freed += self._drop_leaf(leaf)
        return freed

    def evict_states(self, count: int) -> int:
        """Free the states of the least recently used nodes; how many were."""
        freed = 0
        while freed < count and not self.disabled:
            node = self.others.pop()
            if node is None:
                break
            freed += 1
            if node.children:
                self._free_state(node)
            else:
                self._drop_leaf(node)
        return freed

    def _free_state(self, node: MambaNode) -> None:
        assert node.state is not None
        self.states.free([node.state], node.tag)
        self.others.discard(node)
        node.state, node.tombstone = None, True
        self.other_evictable -= 1

    def _drop_leaf(self, leaf: Any) -> int:
        """Free a leaf with its state, and its ancestors as far as they are bare tombstones; tokens freed."""
        freed = self._free_value(leaf)
        self._free_state(leaf)
        self._remove(leaf)
        parent = leaf.parent
        while parent is not self.root and parent.tombstone and not parent.children and parent.lock_ref == 0:
            freed += self._free_value(parent)
            self._remove(parent)
            parent = parent.parent
        return freed

    def _free_value(self, node: MambaNode) -> int:
        self.allocator.free(node.value, node.tag)
        return len(node.key)

    def _remove(self, leaf: Node) -> None:
        self.leaves.discard(leaf)
        super()._remove(leaf)
