"""Consecutive recounts compared: what got worse since the last one, and who had owned it.

named by nobody now, by an owner of rows then      orphan         whose: the owner of then
free twice now, not free twice then                double-free
free and named by a turn whose session is gone     alias          the session was closed under its turn
free and in the tree, not free and a row's then    foreign-free   whoever named it in its row
anything else                                      is left to the judge, who sees that the counts differ
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.engines.sglang.memory import Memory
from sim.engines.sglang.owners import Owners
from sim.ledger.findings import PoolCount
from sim.ledger.owners import Tag
from sim.ledger.physical import Ints, Tally, sample
from sim.ledger.words import several

Who = tuple[str | None, str | None]
"""A request and its session."""
_Mask = npt.NDArray[np.bool_]


class Recount:
    """Compares the counts of one pool; that of the full pool looks at the rows too."""

    def __init__(self, memory: Memory, owners: Owners, pool: str = "full", first: Tally | None = None) -> None:
        self._memory = memory
        self._owners = owners
        self._pool = pool
        self._last = memory.count()[0] if first is None else first
        self._rows_blamed: set[int] = set()
        self._twice: set[int] = set()
        self._blamed: _Mask = np.zeros(len(self._last.free), dtype=bool)
        self._harmed = False
        self.touched = False
        """Whether a posting has gone wrong: anew, or once more where one had gone wrong before."""

    def compare(
        self, now: Tally, rows: PoolCount, about: Sequence[tuple[Tag, Who]], closed: Mapping[Tag, str]
    ) -> list[dict[str, Any]]:
        """What got worse; `about` is whom the event handled, in order, `closed` the sessions closed under a turn."""
        before, self._last = self._last, now
        handled = dict(about)
        faults = self._rows_free_twice(handled) if self._pool == "full" else []
        self._compare(faults, now, before, rows, handled, closed)
        self._harmed |= bool(faults)
        self.touched |= bool(faults)
        if not self.touched:
            # What two name is then heard of by the counts; that it stands in the free list twice later is no news.
            self._rows_blamed.update(set(rows.shared_units) - self._memory.rows_free())
        return faults

    def _compare(
        self, faults: list[dict[str, Any]], now: Tally, before: Tally, rows: PoolCount, handled: Mapping[Tag, Who],
        closed: Mapping[Tag, str],
    ) -> None:  # fmt: skip
        self.touched = False
        named, was = now.named(), before.named()
        changed = named != was
        changed |= now.free != before.free
        if not changed.any():
            return
        faults += self._orphans((named == 0) & (was != 0), before, handled, rows.lost_units)
        # A page that was booked as lost, double or shared is no new finding when it moves on.
        fresh = ~self._blamed
        self.touched = bool(((now.free > before.free) & (now.free > 1) & self._blamed).any())
        faults += self._double((now.free > 1) & (before.free <= 1) & fresh, handled, before)
        faults += self._closed((now.free > 0) & (now.claims > 0) & (before.free == 0) & fresh, now, closed)
        freed = (now.free > 0) & (before.free == 0) & fresh
        faults += self._foreign(freed & (now.tree > 0) & (before.tree > 0) & (before.claims > 0), before, handled)
        self._blamed[(was == 0) & (named > 0)] = False

    def _orphans(
        self, lost: _Mask, before: Tally, handled: Mapping[Tag, Who], rows: Sequence[int]
    ) -> list[dict[str, Any]]:
        """What was overwritten or handed back; if the row itself belongs to nobody now, it is the row that is lost."""
        faults = []
        lost &= (before.tree == 0) & ~np.isin(before.row, rows)
        for tag, units in _by_owner(lost, before.owner):
            if tag not in handled and not self._harmed:
                # A decode step over that of another turn: nobody was prefilled or released who could have done it.
                continue
            self._blamed[units] = True
            request, session = self._owners.names(tag)
            about = handled.get(tag)
            if about is not None:
                request, session = about[0], session or about[1]
            count = len(units) * before.page
            what = f"nothing names {several(count, self._pool)} of {self._owners.words(tag)} any more"
            faults.append(self._fault("orphan", count, units, (request, session), what))
        return faults

    def _double(self, double: _Mask, handled: Mapping[Tag, Who], before: Tally) -> list[dict[str, Any]]:
        faults = []
        for tag, units in _by_owner(double, before.owner, nobody=True):
            self._blamed[units] = True
            count = len(units) * before.page
            who = handled.get(tag) or (self._owners.names(tag) if tag else (None, None))
            whose = f" of {self._owners.words(tag)}" if tag else ""
            what = f"twice in the free list: {several(count, self._pool)}{whose}"
            faults.append(self._fault("double-free", count, units, who, what))
        return faults

    def _foreign(self, which: _Mask, before: Tally, handled: Mapping[Tag, Who]) -> list[dict[str, Any]]:
        faults = []
        for tag, units in _by_owner(which, before.owner):
            self._blamed[units] = True
            count = len(units) * before.page
            freed = several(count, self._pool, "were")
            what = f"{freed} freed for {self._owners.words(tag)} although named by the tree"
            who = handled.get(tag) or self._owners.names(tag)
            faults.append(self._fault("foreign-free", count, units, who, what))
        return faults

    def _rows_free_twice(self, handled: Mapping[Tag, Who]) -> list[dict[str, Any]]:
        """Rows that came to stand in the free list more than once."""
        before, self._twice = self._twice, self._memory.rows_free_twice()
        who = list(handled.values())[-1] if handled else (None, None)
        return [
            {
                "kind": "double-free", "pool": "rows", "count": 1, "units": [row], "request": who[0],
                "session": who[1], "what": f"row {row} stands in the free list twice",
            } for row in sorted(self._twice - before - self._rows_blamed)
        ]  # fmt: skip

    def _closed(self, shared: _Mask, now: Tally, closed: Mapping[Tag, str]) -> list[dict[str, Any]]:
        faults = []
        for tag, units in _by_owner(shared, now.owner):
            if tag in closed:
                self._blamed[units] = True
                count = len(units) * now.page
                freed = several(count, self._pool, "were")
                named = f"{freed} freed that row {now.row[units[0]]} still names"
                what = f"session {closed[tag]} was closed under its running turn: {named}"
                faults.append(self._fault("alias", count, units, (None, closed[tag]), what))
        return faults

    def _fault(self, kind: str, count: int, units: Ints, who: Who, what: str) -> dict[str, Any]:
        return {
            "kind": kind, "pool": self._pool, "count": count, "units": list(sample(units)), "request": who[0],
            "session": who[1], "what": what,
        }  # fmt: skip


def _by_owner(which: _Mask, owner: Ints, *, nobody: bool = False) -> list[tuple[Tag, Ints]]:
    """The marked pages of each owner, in the order of their tags."""
    units = np.nonzero(which)[0]
    if not len(units):
        return []
    tags = owner[units]
    return [(int(tag), units[tags == tag]) for tag in np.unique(tags) if tag or nobody]
