"""The plain radix tree: shared prefixes, page by page, with locks and the two counters.

key of a node   a run of units: tokens, or (EAGLE) pairs of neighbouring tokens; a multiple of the page size
value           one slot per unit
lock_ref        requests below that hold the path; > 0 means protected, 0 evictable
EAGLE           N tokens give N−1 units: the last token is never cached
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.ledger.owners import NODE, Ledger, NoOwners, OwnerTags, Tag
from sim.memory.allocator import PagedAllocator, TokenAllocator
from sim.memory.backend import Array, Backend
from sim.memory.eviction import LeafHeap

Units = npt.NDArray[np.int64]
PAIR_BITS = 32


class Node:
    """One run of units."""

    __slots__ = (
        "children", "created", "hits", "key", "last_access", "lock_ref", "parent", "priority", "tag", "value",
    )  # fmt: skip

    def __init__(
        self, key: Units, value: Array, parent: Node | None, tag: Tag, now: int, priority: int
    ) -> None:
        self.key = key
        self.value = value
        self.parent = parent
        self.children: dict[Any, Node] = {}
        self.tag = tag
        self.lock_ref = 0
        self.hits = 0
        self.created = now
        self.last_access = now
        self.priority = priority


class RadixTree:
    """Prefix cache over the allocator's slots."""

    manages_states = False
    node_type: type[Node] = Node

    def __init__(
        self,
        backend: Backend,
        allocator: TokenAllocator | PagedAllocator,
        ledger: Ledger,
        *,
        pairs: bool = False,
        eviction: Callable[[Any], Any],
        disabled: bool = False,
    ) -> None:
        self.backend = backend
        self.allocator = allocator
        self.page_size = allocator.page_size
        self.pairs = pairs
        self.disabled = disabled
        self._ledger = ledger
        self._now = 0
        self.evictable = 0
        self.protected = 0
        self.leaves: LeafHeap[Node] = LeafHeap(eviction)
        self.root = self.node_type(np.empty(0, dtype=np.int64), backend.put([]), None, 0, 0, -(1 << 62))
        self.root.lock_ref = 1

    # -- keys ---------------------------------------------------------------------------------------------

    def units(self, tokens: Units) -> Units:
        """Tokens as the units of this tree, cut to whole pages."""
        if self.pairs:
            tokens = (tokens[:-1] << PAIR_BITS) | tokens[1:]
        if self.page_size > 1:
            tokens = tokens[: len(tokens) // self.page_size * self.page_size]
        return tokens

    def _child_key(self, units: Units) -> Any:
        return int(units[0]) if self.page_size == 1 else units[: self.page_size].tobytes()

    def _shared(self, a: Units, b: Units) -> int:
        """Length of the common prefix, in whole pages."""
        length = min(len(a), len(b))
        differs = a[:length] != b[:length]
        if differs.any():
            length = int(differs.argmax())
        return length // self.page_size * self.page_size

    def _tick(self) -> int:
        self._now += 1
        return self._now

    # -- match and insert ---------------------------------------------------------------------------------

    def match(self, tokens: Units) -> tuple[Array, Node]:
        """Slots of the longest cached prefix, and the deepest node of it; may split a node."""
        if self.disabled:
            return self.backend.put([]), self.root
        return self.match_units(self.units(tokens))

    def match_units(self, key: Units) -> tuple[Array, Node]:
        """As `match`, for a key that is units already."""
        if not len(key):
            return self.backend.put([]), self.root
        now = self._tick()
        node, values = self.root, []
        node.last_access = now
        while len(key):
            child = node.children.get(self._child_key(key))
            if child is None:
                break
            self._touch(child, now)
            shared = self._shared(child.key, key)
            if shared < len(child.key):
                node = self._split(child, shared)
                values.append(node.value)
                break
            values.append(child.value)
            node = child
            key = key[shared:]
        return self.backend.cat(values) if values else self.backend.put([]), node

    def insert(
        self, key: Units, value: Array, owner: OwnerTags, *, priority: int = 0, chunked: bool = False
    ) -> int:
        """Add `key` → `value`, moving what is new from `owner` to a new leaf; the length that was there already."""
        if self.disabled:
            return 0
        now = self._tick()
        node, present = self.root, 0
        node.last_access = now
        node.priority = max(node.priority, priority)
        while len(key):
            child = node.children.get(self._child_key(key))
            if child is None:
                break
            self._touch(child, now)
            shared = self._shared(child.key, key)
            present += shared
            key, value = key[shared:], value[shared:]
            node = self._split(child, shared) if shared < len(child.key) else child
            node.priority = max(node.priority, priority)
            node.hits += not chunked
            self.leaves.touch(node)
        if len(key):
            self._add_leaf(node, key, value, owner, priority, chunked)
        return present

    def _add_leaf(
        self, parent: Node, key: Units, value: Array, owner: OwnerTags, priority: int, chunked: bool
    ) -> None:
        leaf = self.node_type(
            key, self.backend.copy(value), parent, self._ledger.tag(NODE, ""), self._tick(), priority
        )
        leaf.hits = int(not chunked)
        parent.children[self._child_key(key)] = leaf
        self._post(leaf.value, owner, leaf.tag, "insert")
        self.evictable += len(key)
        self.leaves.discard(parent)
        self.leaves.push(leaf)

    def _split(self, child: Node, length: int) -> Node:
        """Put a new parent with the first `length` units above `child`."""
        upper = self.node_type(
            child.key[:length], self.backend.copy(child.value[:length]), child.parent,
            self._ledger.tag(NODE, ""), self._tick(), child.priority,
        )  # fmt: skip
        upper.hits = child.hits
        upper.lock_ref = child.lock_ref
        assert child.parent is not None
        child.parent.children[self._child_key(child.key)] = upper
        child.key = child.key[length:]
        child.value = self.backend.copy(child.value[length:])
        child.parent = upper
        upper.children[self._child_key(child.key)] = child
        self._post(upper.value, child.tag, upper.tag, "split")
        return upper

    def _post(self, slots: Array, src: OwnerTags, dst: Tag, op: str) -> None:
        self.allocator.owners.move(self._owned(slots), src, dst, op)

    def _owned(self, slots: Array) -> Array:
        """What the ledger knows whole pages of slots by: the slots, or their pages."""
        return slots if self.page_size == 1 else slots[:: self.page_size] // self.page_size

    def _touch(self, node: Node, now: int) -> None:
        node.last_access = now
        self.leaves.touch(node)

    # -- locks --------------------------------------------------------------------------------------------

    def lock(self, node: Node) -> None:
        """Protect the path from `node` up to the root."""
        if self.disabled:
            return
        at: Node | None = node
        while at is not None and at is not self.root:
            if at.lock_ref == 0:
                self.evictable -= len(at.key)
                self.protected += len(at.key)
                self.leaves.discard(at)
            at.lock_ref += 1
            at = at.parent

    def unlock(self, node: Node) -> None:
        """Undo one `lock` of this path."""
        if self.disabled:
            return
        at: Node | None = node
        while at is not None and at is not self.root:
            if at.lock_ref == 1:
                self.evictable += len(at.key)
                self.protected -= len(at.key)
            at.lock_ref -= 1
            if at.lock_ref <= 0 and not at.children:
                self.leaves.push(at)
            at = at.parent

    # -- eviction -----------------------------------------------------------------------------------------

    def evict(self, tokens: int) -> int:
        """Free whole unlocked leaves until at least `tokens` are freed; how many were."""
        freed = 0
        while freed < tokens:
            leaf = self.leaves.pop()
            if leaf is None:
                break
            self.allocator.free(leaf.value, leaf.tag)
            freed += len(leaf.key)
            self._remove(leaf)
        return freed

    def _remove(self, leaf: Node) -> None:
        parent = leaf.parent
        assert parent is not None
        del parent.children[self._child_key(leaf.key)]
        self.evictable -= len(leaf.key)
        if not parent.children and parent.lock_ref == 0:
            self.leaves.push(parent)

    def shadow(self) -> RadixTree:
        """An empty tree of single tokens that owns no memory: for comparing texts with each other."""
        allocator = TokenAllocator(self.backend, 1, NoOwners(self.backend))
        return RadixTree(self.backend, allocator, Ledger(), eviction=lambda node: node.last_access)

    def nodes(self) -> Iterator[Node]:
        """Every node but the root."""
        stack = list(self.root.children.values())
        while stack:
            node = stack.pop()
            stack.extend(node.children.values())
            yield node
