"""To which class of owner each slot of each pool belongs, from the layout of either engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sim.engines.layout import Layout, RequestLayout
from sim.ledger.physical import Holder, Ints, Tally, tally

Codes = npt.NDArray[np.uint8]
FREE, EVICTABLE, PROTECTED, HELD, IN_USE, NOBODY, TWICE = range(7)
_LIVE = 1
"""Owners are numbered by twos: the odd ones are at work."""


def classes(layout: Layout, sessions: frozenset[str], sizes: Mapping[str, int], page: int) -> dict[str, Codes]:
    """For each pool, and for the rows, the class of each unit from the first one on; `sessions` are those open."""
    naming = _Naming(layout, sessions)
    found = {"full": naming.full(sizes["full"] // page, page)}
    if "swa" in sizes:
        found["swa"] = naming.swa(sizes["swa"] // page, page)
    if "mamba" in sizes:
        found["mamba"] = naming.states(sizes["mamba"])
    return found


def row_classes(layout: Layout, sessions: frozenset[str], first: int, count: int) -> Codes:
    """The same of rows."""
    naming = _Naming(layout, sessions)
    owners: dict[int, set[int]] = {}
    for holder in naming.holders:
        owners.setdefault(holder.row, set()).add(holder.tag)
    codes = np.full(count, NOBODY, dtype=np.uint8)
    free = np.bincount(np.array(layout.free_rows, dtype=np.int64) - first, minlength=count)
    codes[free == 1], codes[free > 1] = FREE, TWICE
    for row, tags in owners.items():
        alone = len(tags) == 1 and free[row - first] == 0
        codes[row - first] = (IN_USE if max(tags) & _LIVE else HELD) if alone else TWICE
    return codes


class _Naming:
    """Who names what: requests, and the slots of sessions that are open. A turn and the slot it borrows are one."""

    def __init__(self, layout: Layout, sessions: frozenset[str]) -> None:
        self.layout = layout
        at_work: dict[int, RequestLayout] = {r.row: r for r in layout.requests if r.row is not None}
        self.holders: list[Holder] = []
        self._slots: list[Sequence[int]] = []
        self._states: list[tuple[int, tuple[int, ...]]] = []
        tree = layout.tree
        self._lengths = _array([len(node.slots) for node in tree])
        self._in_tree = _joined([node.slots for node in tree])
        self._locks = _array([node.lock_ref for node in tree]), _array([node.other_lock for node in tree])
        kept = [slot for slot in layout.slots if slot.session in sessions]
        borrowed = {slot.row: 2 * n for n, slot in enumerate(kept) if slot.row is not None}
        owner_of = {}
        for n, request in enumerate(layout.requests, len(kept)):
            tag = owner_of[request.rid] = (2 * n if request.row is None else borrowed.get(request.row, 2 * n)) | _LIVE
            if request.row is not None:
                self._hold(tag, request.row, request.p, request.slots)
            self._keep(tag, request)
        for n, slot in enumerate(kept):
            turn = None if slot.row is None else at_work.get(slot.row)
            tag = 2 * n if turn is None else owner_of[turn.rid]
            if slot.row is not None:
                reach = len(slot.slots) if turn is None else min(len(slot.slots), len(turn.slots))
                self._hold(tag, slot.row, slot.p, slot.slots[:reach])
            self._keep(tag, slot)
        self._named = _joined(self._slots)

    def _hold(self, tag: int, row: int, protected: int, slots: Sequence[int]) -> None:
        self.holders.append(Holder(tag, row, protected, len(slots)))
        self._slots.append(slots)

    def _keep(self, tag: int, named: object) -> None:
        state = getattr(named, "state", None)
        if state is not None:
            slots = (*(() if state.slot is None else (state.slot,)), *state.snapshots)
            if slots:
                self._states.append((tag, slots))

    def full(self, units: int, page: int) -> Codes:
        """Of the pool of all layers."""
        free = _array(self.layout.free["full"])
        nodes, locks = self._pages(page, 0)
        return _coded(units, page, free, nodes // page, locks, self.holders, self._named // page)

    def swa(self, units: int, page: int) -> Codes:
        """Of the windowed pool: each full slot stands for the windowed one behind it."""
        mapping, free = _array(self.layout.mapping), _array(self.layout.free["swa"])
        nodes, locks = self._pages(page, 1)
        return _coded(units, page, free, mapping[nodes] // page, locks, self.holders, mapping[self._named] // page)

    def states(self, units: int) -> Codes:
        """Of the recurrent states."""
        holders = [Holder(tag, -1, 0, len(slots)) for tag, slots in self._states]
        named = _joined([slots for _, slots in self._states])
        nodes = _array([node.state for node in self.layout.tree])
        there, free = nodes >= 0, _array(self.layout.free["mamba"])
        return _coded(units, 1, free, nodes[there], self._locks[1][there], holders, named)

    def _pages(self, page: int, half: int) -> tuple[Ints, Ints]:
        """The first slot of each page in the tree, and its lock: of the full layers, or of the others."""
        locks = np.repeat(self._locks[half], self._lengths)
        if page == 1:
            return self._in_tree, locks
        starts = np.cumsum(self._lengths) - self._lengths
        first = (np.arange(len(locks)) - np.repeat(starts, self._lengths)) % page == 0
        return self._in_tree[first], locks[first]


def _coded(
    units: int, page: int, free: Ints, in_tree: Ints, locks: Ints, holders: Sequence[Holder], named: Ints
) -> Codes:
    """Count, and say of each unit what it is; `locks` are those of the units that are in the tree."""
    counted: Tally = tally(page, units, free, in_tree, holders, named)
    codes = np.where(counted.owner & _LIVE, IN_USE, HELD).astype(np.uint8)
    codes[in_tree] = np.where(locks != 0, PROTECTED, EVICTABLE)
    codes[counted.free > 0] = FREE
    times = counted.named()
    codes[times == 0] = NOBODY
    codes[times > 1] = TWICE
    return codes[1:]


def _array(values: Sequence[int]) -> Ints:
    return np.asarray(values, dtype=np.int64)


def _joined(parts: Sequence[Sequence[int]]) -> Ints:
    return np.concatenate([_array(part) for part in parts]) if parts else _array(())
