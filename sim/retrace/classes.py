"""To which class of owner each slot of each pool belongs, from the layout of either engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sim.engines.layout import Layout, NodeLayout, RequestLayout
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
        return _coded(units, page, free, self.layout.tree, self._nodes(page, None), self.holders, self._named(page), 0)

    def swa(self, units: int, page: int) -> Codes:
        """Of the windowed pool: each full slot stands for the windowed one behind it."""
        mapping, free = _array(self.layout.mapping), _array(self.layout.free["swa"])
        nodes, named = self._nodes(page, mapping), mapping[self._named(1)] // page
        return _coded(units, page, free, self.layout.tree, nodes, self.holders, named, 1)

    def states(self, units: int) -> Codes:
        """Of the recurrent states."""
        holders = [Holder(tag, -1, 0, len(slots)) for tag, slots in self._states]
        named = _array([slot for _, slots in self._states for slot in slots])
        nodes = [_array([] if node.state < 0 else [node.state]) for node in self.layout.tree]
        return _coded(units, 1, _array(self.layout.free["mamba"]), self.layout.tree, nodes, holders, named, 1)

    def _named(self, page: int) -> Ints:
        return _array([slot for slots in self._slots for slot in slots]) // page

    def _nodes(self, page: int, mapping: Ints | None) -> list[Ints]:
        found = (_array(node.slots) for node in self.layout.tree)
        return [(slots if mapping is None else mapping[slots])[::page] // page for slots in found]


def _coded(
    units: int, page: int, free: Ints, tree: Sequence[NodeLayout], nodes: Sequence[Ints],
    holders: Sequence[Holder], named: Ints, half: int,
) -> Codes:  # fmt: skip
    """Count, and say of each unit what it is; `half`: whose locks count, those of the full layers or the others."""
    in_tree = np.concatenate(nodes) if nodes else _array([])
    counted: Tally = tally(page, units, free, in_tree, holders, named)
    codes = np.where(counted.owner & _LIVE, IN_USE, HELD).astype(np.uint8)
    for node, slots in zip(tree, nodes, strict=True):
        codes[slots] = PROTECTED if (node.other_lock if half else node.lock_ref) else EVICTABLE
    codes[counted.free > 0] = FREE
    times = counted.named()
    codes[times == 0] = NOBODY
    codes[times > 1] = TWICE
    return codes[1:]


def _array(values: Iterable[int]) -> Ints:
    return np.array(tuple(values), dtype=np.int64)
