"""The ledger proper: who owns each physical unit, and every transition between owners.

    FREE ── alloc ──▶ request │ session ── insert ──▶ tree node
      ▲                    │                             │
      └────── free ────────┴────────── evict ────────────┘        NOBODY: no list, tree or row names it any more

A posting `move(units, from, to)` that finds another owner than `from` is a fault at that very event; so is
overwriting, or handing back, the last row that names an owned unit (`orphan`). Both cost O(k) in the units moved.
On a CPU a fault is known at once, on a device when it is `settled` (`journal.py`).

A session's private slots belong to the session, also while a turn of it runs: the turn borrows them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from sim.ledger.journal import Journal
from sim.ledger.words import several
from sim.memory.backend import Array, Backend

Tag: TypeAlias = int
OwnerTags: TypeAlias = "Tag | npt.NDArray[np.int64]"
FREE: Tag = 0
NOBODY: Tag = -1
NODE, REQUEST, SESSION = 1, 2, 3
_KINDS = {NODE: "node", REQUEST: "request", SESSION: "session"}
SAMPLE = 16
_REMEMBERED = 4096
MOST_UNREAD = 4096
"""Faults kept for an auditor; a run without one must not grow with its faults."""
_SERIALS = 1 << 29


@dataclass(slots=True)
class Context:
    """The event during which postings happen."""

    event: int = 0
    iteration: int = 0
    time: float = 0.0
    op: str = "start"
    request: str | None = None
    session: str | None = None


@dataclass(slots=True)
class Fault:
    """A posting that went wrong: the cause of what is found later."""

    kind: str
    pool: str
    what: str
    count: int
    units: list[int]
    event: int
    iteration: int
    time: float
    op: str
    request: str | None
    session: str | None
    recurrences: int = 0


@dataclass(slots=True)
class Ledger:
    """The postings of one run: owner tags per pool, and the faults that they showed."""

    context: Context = field(default_factory=Context)
    fresh: list[Fault] = field(default_factory=list)
    pools: dict[str, TagPool] = field(default_factory=dict)
    touched: int = 0
    journal: Journal | None = None
    _serial: int = 0
    _names: dict[Tag, str] = field(default_factory=dict)
    _forgotten: deque[Tag] = field(default_factory=deque)

    @property
    def suspicious(self) -> bool:
        """Whether a posting of this run has gone wrong, or may have since the last look."""
        return self.touched > 0 or self.journal is not None

    def settle(self) -> None:
        """Know of all that has happened so far; on a CPU it is known already."""
        if self.journal is not None:
            self.journal.settle()

    def read(self, off: Array, tell: Callable[[], None], *, if_touched: bool = False) -> None:
        """Something was read back: `tell` if any of it is off (and a posting had gone wrong before)."""
        journal = self.journal
        if journal is None:
            self._read(off.any, tell, if_touched)
        elif journal.replaying:
            self._read(journal.looking(off), tell, if_touched)
        else:
            journal.note(off, partial(self._read, journal.looking(off), tell, if_touched))

    def _read(self, off: Callable[[], Any], tell: Callable[[], None], if_touched: bool) -> None:
        if (self.touched or not if_touched) and off():
            tell()

    def about(self, request: str, session: str | None) -> None:
        """Postings from here on are made for this request."""
        self.context.request, self.context.session = request, session

    def tag(self, kind: int, name: str) -> Tag:
        """A tag for a new owner."""
        self._serial += 1
        tag = (self._serial % _SERIALS) * 4 + kind
        if kind != NODE:
            self._names[tag] = name
        return tag

    def forget(self, tag: Tag) -> None:
        """This owner is gone; its name is kept for a while, for reports."""
        self._forgotten.append(tag)
        if len(self._forgotten) > _REMEMBERED:
            self._names.pop(self._forgotten.popleft(), None)

    def named(self, tag: Tag) -> str | None:
        """The name that an owner was given, if it is still known."""
        return self._names.get(tag)

    def name(self, tag: Tag) -> str:
        """An owner in words."""
        if tag == FREE:
            return "the free list"
        if tag == NOBODY:
            return "nobody"
        kind = _KINDS[tag & 3]
        return f"{kind} {self._names.get(tag, tag >> 2)}"

    def fault(self, kind: str, pool: str, what: str, units: list[int], count: int) -> Fault:
        """Note a posting that went wrong, with the event in which it did."""
        at = self.context
        fault = Fault(
            kind=kind, pool=pool, what=what, count=count, units=units, event=at.event, iteration=at.iteration,
            time=at.time, op=at.op, request=at.request, session=at.session,
        )  # fmt: skip
        if len(self.fresh) < MOST_UNREAD:
            self.fresh.append(fault)
        self.touched += 1
        return fault


class TagPool:
    """Owner tags of one pool's units (pages, or rows)."""

    def __init__(self, ledger: Ledger, backend: Backend, pool: str, units: int, unit_size: int) -> None:
        self.ledger = ledger
        self.pool = pool
        self.unit_size = unit_size
        self.backend = backend
        self._count = backend.count
        if backend.deferred and ledger.journal is None:
            ledger.journal = Journal(backend, ledger.context)
        self._journal = ledger.journal
        self.tensor: torch.Tensor
        self.tags: Array
        self.tensor, self.tags = backend.zeros(units + 1, torch.int64)
        self.tainted: dict[int, Fault] = {}
        self._group: list[Array] = []
        ledger.pools[pool] = self

    def move(self, units: Array, src: OwnerTags, dst: OwnerTags, op: str, *, group: bool = False) -> None:
        """Post `units` from owner `src` to owner `dst`."""
        tags = self.tags
        if self._journal is not None and not self._journal.replaying:
            self._move_later(units, src, dst, op, group)
            return
        found = tags[units]
        wrong = found if src is FREE else found != self._device(src)
        if self._count(wrong):
            self._mismatch(units, found, src, dst, op, group)
            return
        tags[units] = self._device(dst)
        if group:
            self._group.append(units)

    def group_closed(self) -> None:
        """The frees collected so far have been carried out."""
        if self._group:
            if self._journal is not None and not self._journal.replaying:
                reopen = partial(self._group.extend, tuple(self._group))
                self._journal.note(None, self._group.clear, reopen)
            self._group.clear()

    def orphan(self, units: Array, owner: Tag, what: str, *, if_touched: bool = False) -> None:
        """The last reference to these units goes away; those that `owner` still owns are lost.

        With `if_touched`, only once a posting of this run has gone wrong.
        """
        if not len(units):
            return
        mine = self.tags[units] == owner
        if self._journal is not None and not self._journal.replaying:
            self._journal.note(mine, partial(self.orphan, units, owner, what, if_touched=if_touched))
        elif self.ledger.touched or not if_touched:
            lost = units[self.backend.get(mine)]
            if len(lost):
                self._lost(np.unique(lost), owner, what)

    def taint(self, units: Array, kind: str, what: str, count: int) -> None:
        """A fault that no posting shows: what happens to these units from here on follows from it."""
        self.ledger.settle()
        named = np.unique(units).tolist()
        fault = self.ledger.fault(kind, self.pool, what, named[:SAMPLE], count)
        self.tainted.update(dict.fromkeys(named, fault))

    def _lost(self, units: npt.NDArray[np.int64], owner: Tag, what: str) -> None:
        count = len(units) * self.unit_size
        self.tags[units] = NOBODY
        named = units.tolist()
        lost = f"nothing names {several(count, self.pool)} of {self.ledger.name(owner)} any more"
        fault = self.ledger.fault("orphan", self.pool, f"{what}; {lost}", named[:SAMPLE], count)
        if owner & 3 == SESSION and fault.session is None:
            fault.session = self.ledger.named(owner)
        self.tainted.update(dict.fromkeys(named, fault))

    # -- on a device --------------------------------------------------------------------------------------

    def _move_later(self, units: Array, src: OwnerTags, dst: OwnerTags, op: str, group: bool) -> None:
        """Post without waiting; what was found is looked at when it is settled."""
        assert self._journal is not None
        found = self.tags.exchange(units, dst)
        if group:
            self._group.append(units)
        again = partial(self.move, units, src, dst, op, group=group)
        self._journal.note(found != self._device(src), again, partial(self._take_back, units, found, group))

    def _take_back(self, units: Array, found: Array, group: bool) -> None:
        self.tags[units] = found
        if group:
            self._group.pop()

    def _device(self, tags: OwnerTags) -> Any:
        return tags if type(tags) is int else self.backend.send(tags)

    # -- what goes wrong ----------------------------------------------------------------------------------

    def _mismatch(
        self, units: Array, found: Array, src: OwnerTags, dst: OwnerTags, op: str, group: bool
    ) -> None:
        """The slow path: some unit has another owner than `src`; post each unit for itself."""
        host_units = units.tolist()
        host_found = self.backend.get(found).tolist()
        sources = [src] * len(host_units) if isinstance(src, int) else src.tolist()
        targets = [dst] * len(host_units) if isinstance(dst, int) else dst.tolist()
        new: dict[str, list[tuple[int, Tag, Tag]]] = {}
        in_group = {int(u) for held in self._group for u in held} if group else set()
        settled: dict[int, Tag] = {}
        for unit, owner, source, target in zip(host_units, host_found, sources, targets, strict=True):
            if group and owner == FREE and unit in in_group:
                continue
            settled[unit] = target if owner == source else self._settle(owner, target)
            if owner == NOBODY:
                self.tainted.pop(unit, None)
            if owner in (source, NOBODY):
                continue
            self.ledger.touched += 1
            old = self.tainted.get(unit)
            if old is not None:
                old.recurrences += 1
                continue
            new.setdefault(_kind_of(owner, target), []).append((unit, owner, source))
        self.tags[np.array(list(settled), dtype=np.int64)] = np.array(list(settled.values()), dtype=np.int64)
        if group:
            self._group.append(units)
        for kind, entries in new.items():
            self._note(kind, entries, op)

    @staticmethod
    def _settle(owner: Tag, target: Tag) -> Tag:
        """A unit freed while another owner still has it stays that owner's; in all else the latest wins."""
        if target == FREE and owner not in (FREE, NOBODY):
            return owner
        return target

    def _note(self, kind: str, entries: list[tuple[int, Tag, Tag]], op: str) -> None:
        _, owner, source = entries[0]
        count = len(entries) * self.unit_size
        units = several(count, self.pool)
        claimed, name = self.ledger.name(source), self.ledger.name(owner)
        what = {
            "double-free": f"{units} of {claimed} freed although free already",
            "foreign-free": f"{units} freed for {claimed} although owned by {name}",
            "alias": f"{units} handed out from the free list although owned by {name}",
        }[kind]
        fault = self.ledger.fault(kind, self.pool, f"{op}: {what}", [e[0] for e in entries[:SAMPLE]], count)
        for entry in entries:
            self.tainted[entry[0]] = fault


def _kind_of(owner: Tag, target: Tag) -> str:
    if target == FREE:
        return "double-free" if owner == FREE else "foreign-free"
    return "alias" if owner != FREE else "double-free"


class NoOwners(TagPool):
    """A pool in which nothing is owned: for trees that only compare texts."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(Ledger(), backend, "none", 0, 1)

    def move(self, units: Array, src: OwnerTags, dst: OwnerTags, op: str, *, group: bool = False) -> None:
        """Nothing is posted."""
