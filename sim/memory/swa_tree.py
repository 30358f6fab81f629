"""The prefix cache of models with windowed layers: a node keeps both halves, or the full one only.

tombstone     the windowed half of this node was given back; leaves are never tombstones
usable        a match ends where no tombstone lies above it, or at least `window` units below the last one
lock          full: the whole path; windowed: from the node upwards until `window` units are locked; the node where that
              ends is marked, and whoever unlocks says which mark it was given
insert, e     what the request's cursor e says of its own windowed half decides what becomes of a tombstone in its way:
              e at or above its start: it takes the request's slots │ inside it: its lower part does │ beyond: it stays
"""

from __future__ import annotations

from math import inf
from typing import Any

from sim.engines.protocol import EngineCrash
from sim.ledger.owners import Ledger, Tag
from sim.ledger.words import several
from sim.memory.backend import Array, Backend
from sim.memory.halves import HalfNode, HalvesTree
from sim.memory.swa import SwaAllocator
from sim.memory.tree import Node, Units


class SwaNode(HalfNode):
    """A node; `mark` names the locks of the windowed half that end here."""

    __slots__ = ("mark",)

    def __init__(
        self, key: Units, value: Array, parent: Node | None, tag: Tag, now: int, priority: int
    ) -> None:
        super().__init__(key, value, parent, tag, now, priority)
        self.mark: int | None = None

    @property
    def marked(self) -> bool:
        """Whether a lock of the windowed half ends here."""
        return self.mark is not None


class SwaTree(HalvesTree):
    """Prefix cache over slots of two halves.

    `spares_leaf`: whether an insert whose rest has no windowed half at all gives the rest back (0.5.11); 0.5.10 makes
    a leaf of it that counts as windowed memory and has none.
    """

    node_type: type[Node] = SwaNode
    allocator: Any

    def __init__(
        self,
        backend: Backend,
        allocator: SwaAllocator,
        ledger: Ledger,
        *,
        spares_leaf: bool,
        pairs: bool = False,
        disabled: bool = False,
    ) -> None:
        both: Any = allocator
        super().__init__(backend, both, ledger, pairs=pairs, disabled=disabled)
        self.window = allocator.pool.window
        self._pool = allocator.pool
        self._spares_leaf = spares_leaf
        self._marks = 0

    # -- matching -----------------------------------------------------------------------------------------

    def match_units(self, key: Units) -> tuple[Array, Any]:
        """Slots of the longest usable prefix, and its last node; may split a node."""
        if not len(key):
            return self.backend.put([]), self.root
        values: list[Array] = []
        since: float = inf
        usable, node, last = 0, self.root, self.root
        for child, shared in self.walk(key):
            if child.tombstone:
                if since >= self.window:
                    usable, last = len(values), node
                since = 0
            node = self._split(child, shared) if shared < len(child.key) else child
            values.append(node.value)
            if not child.tombstone:
                since += len(node.value)
        if since >= self.window:
            usable, last = len(values), node
        self.use_path(last)
        return self.backend.cat(values[:usable]) if usable else self.backend.put([]), last

    # -- inserting ----------------------------------------------------------------------------------------

    def insert_cut(self, key: Units, value: Array, owner: Tag, *, protected: int, evicted: int = 0) -> int:
        """Add `key` → `value` of a request whose windowed half is gone below `evicted`; the length that was there.

        What is there already is freed here, but for the part that ends at or before `protected`.
        """
        if self.disabled:
            return 0
        node, present = self.root, 0
        for child, shared in self.walk(key):
            self.use(child)
            node = self._split(child, shared) if shared < len(child.key) else child
            if protected < present + shared:
                self._overlap(node, value[present : present + shared], owner, evicted - present)
            present += shared
        if len(key) > present:
            self._add_rest(node, key[present:], value[present:], owner, evicted - present)
        return present

    def _overlap(self, node: Any, value: Array, owner: Tag, evicted: int) -> None:
        """The request has slots of its own for a node that is there: one of the two goes; `evicted` from its start."""
        free = self.allocator.free
        if not node.tombstone or evicted >= len(value):
            if node.tombstone:
                self._sound(node, evicted)
            free(value, owner)
            return
        self._sound(node, evicted)
        cut = max(evicted, 0)
        self._freed_under_a_row(node, cut)
        free(node.value[cut:], node.tag)
        if cut:
            self._split(node, cut)
        node.value = self.backend.copy(value[cut:])
        self._post(node.value, owner, node.tag, "insert")
        free(value[:cut], owner)
        self._revive(node, owner)

    def _freed_under_a_row(self, node: Any, cut: int) -> None:
        """Whoever has locked the node names its slots in a row, and goes on naming them: no posting shows that."""
        if node.lock_ref > 0:
            slots = node.value[cut:]
            what = f"a tombstone is revived: {several(len(slots), 'full', 'are')} freed that rows go on naming"
            self.allocator.owners.taint(self._owned(slots), "alias", what, len(slots))

    def _sound(self, node: Any, evicted: int) -> None:
        require(node.other_lock == 0, f"tombstone swa_lock_ref should always be 0, {node.other_lock}")
        require(evicted % self.page_size == 0, "swa_evicted_seqlen must be page aligned")

    def _add_rest(self, node: Any, key: Units, value: Array, owner: Tag, evicted: int) -> None:
        """What is new: up to e a tombstone, below it a leaf."""
        if evicted == len(key) and self._spares_leaf:
            self.allocator.free(value, owner)
            return
        if 0 < evicted < len(key):
            node = self._add(node, key[:evicted], value[:evicted], owner)
            node.tombstone = True
            key, value = key[evicted:], value[evicted:]
        self._revive(self._add(node, key, value, owner), owner)

    def _add(self, parent: Any, key: Units, value: Array, owner: Tag) -> Any:
        self._add_leaf(parent, key, value, owner, 0, False)
        return parent.children[self._child_key(key)]

    def _revive(self, node: Any, owner: Tag) -> None:
        """The node has a windowed half from here on, the owner's."""
        node.tombstone = False
        self._pool.post(node.value, owner, node.tag, "insert")
        self.other_evictable += len(node.value)
        self.others.push(node)

    def _split_other(self, upper: Any, child: Any) -> None:
        upper.tombstone, upper.other_lock = child.tombstone, child.other_lock
        upper.mark, child.mark = child.mark, None
        if not upper.tombstone:
            self._pool.post(upper.value, child.tag, upper.tag, "split")
            if not upper.other_lock:
                self.others.push(upper)

    # -- locks --------------------------------------------------------------------------------------------

    def lock_until(self, node: Any) -> int | None:
        """Protect the path, and its windowed half as far up as the window reaches; the mark where that ends."""
        if self.disabled:
            return None
        super().lock(node)
        mark, locked, at = None, 0, node
        while at is not self.root and locked < self.window:
            require(not at.tombstone, "inc_lock_swa on swa_tombstone node")
            if at.other_lock == 0:
                self.other_evictable -= len(at.value)
                self.other_protected += len(at.value)
                self.others.discard(at)
            at.other_lock += 1
            locked += len(at.value)
            if locked >= self.window:
                if at.mark is None:
                    self._marks += 1
                    at.mark = self._marks
                mark = at.mark
            at = at.parent
        return mark

    def unlock_until(self, node: Any, mark: int | None) -> None:
        """Undo one lock: of the windowed half down from the marked node, or from the root if there is no mark."""
        if self.disabled:
            return
        at = node
        while at is not self.root:
            require(at.lock_ref > 0, f"dec_lock_ref on node with node.full_lock_ref={at.lock_ref}")
            at = at.parent
        super().unlock(node)
        at = node
        while at is not self.root:
            require(not at.tombstone, "dec_lock_ref on swa_tombstone node")
            require(at.other_lock > 0, f"dec_lock_ref on node with node.swa_lock_ref={at.other_lock}")
            at.other_lock -= 1
            if at.other_lock == 0:
                self.other_evictable += len(at.value)
                self.other_protected -= len(at.value)
                self.others.push(at)
            if mark is not None and at.mark == mark:
                break
            at = at.parent

    # -- eviction -----------------------------------------------------------------------------------------

    def evict(self, tokens: int, windowed: int = 0) -> int:
        """Free unlocked leaves until `tokens` are free; then, while fewer than `windowed` went, windowed halves."""
        freed = halves = 0
        while freed < tokens:
            leaf: Any = self.leaves.pop()
            if leaf is None:
                break
            require(not leaf.tombstone, "Removing swa tombstone node from swa lru list")
            halves += len(leaf.key)
            freed += self._delete(leaf)
        while halves < windowed:
            node = self.others.pop()
            if node is None:
                break
            halves += len(node.key)
            if node.children:
                self.allocator.free_swa(node.value, node.tag)
                node.tombstone = True
                self.other_evictable -= len(node.key)
            else:
                require(node.lock_ref == 0, "leaf node with full lock must also have swa lock")
                freed += self._delete(node)
        return freed

    def _delete(self, leaf: Any) -> int:
        """Remove a leaf, and the tombstones above it that are left without children."""
        self.allocator.free(leaf.value, leaf.tag)
        self.others.discard(leaf)
        self.other_evictable -= len(leaf.key)
        freed = self._drop(leaf)
        at = leaf.parent
        while at.tombstone and not at.children and at.lock_ref == 0:
            self.allocator.free(at.value, at.tag)
            freed += self._drop(at)
            at = at.parent
        return freed

    def _drop(self, node: Any) -> int:
        self.leaves.discard(node)
        self._remove(node)
        return len(node.key)


def require(condition: bool, message: str) -> None:
    """An assertion of the release's tree."""
    if not condition:
        raise EngineCrash("AssertionError", message)
