"""Memory, requests and session slots made by hand, and plain-Python models to compare them with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from policies.eviction import EVICTION_ORDERS
from policies.releases import compose
from sim.config import PoolConfig, RunConfig, SchedulerConfig, SwaConfig
from sim.engines.protocol import Request
from sim.ledger.owners import FREE, SESSION, Ledger, TagPool
from sim.memory.allocator import make_allocator
from sim.memory.backend import backend
from sim.memory.tree import RadixTree
from sim.scheduler.core import Scheduler
from sim.scheduler.request import Req
from sim.scheduler.session import SessionSlot
from sim.scheduler.table import ReqTable
from sim.world import Segment

DEVICES = ("cpu", "torch:cpu")
"""NumPy views of tensors, and tensors as they are."""


def ints(values: Any) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def plain(array: Any) -> list[int]:
    return [int(value) for value in array]


# -- memory -----------------------------------------------------------------------------------------------


def allocator_of(size: int, page_size: int = 1, device: str = "cpu") -> Any:
    ledger, place = Ledger(), backend(device)
    owners = TagPool(ledger, place, "full", size // page_size, page_size)
    return make_allocator(place, size, page_size, owners)


def tree_of(
    size: int, page_size: int = 1, *, pairs: bool = False, order: str = "lru", device: str = "cpu"
) -> RadixTree:
    allocator = allocator_of(size, page_size, device)
    return RadixTree(
        backend(device),
        allocator,
        allocator.owners.ledger,
        pairs=pairs,
        eviction=EVICTION_ORDERS[order]().key,
    )


class ListAllocator:
    """The allocators with a plain list, position by position."""

    def __init__(self, size: int, page_size: int) -> None:
        self.page_size = page_size
        self.pages = list(range(1, size // page_size + 1))
        self._group: list[int] | None = None

    def extend(self, prefix: list[int], seq: list[int], last: list[int]) -> list[int] | None:
        size = self.page_size
        if sum(-(-s // size) - -(-p // size) for p, s in zip(prefix, seq, strict=True)) > len(self.pages):
            return None
        slots = []
        for start, stop, slot in zip(prefix, seq, last, strict=True):
            for position in range(start, stop):
                slot = self.pages.pop(0) * size if position % size == 0 else slot + 1
                slots.append(slot)
        return slots

    def decode(self, seq: list[int], last: list[int]) -> list[int] | None:
        return self.extend([s - 1 for s in seq], seq, last)

    def free(self, slots: list[int]) -> None:
        if self._group is not None:
            self._group += slots
        elif self.page_size == 1:
            self.pages += slots
        else:
            self.pages[:0] = sorted({slot // self.page_size for slot in slots})

    def group_begin(self) -> None:
        self._group = []

    def group_end(self) -> None:
        slots, self._group = self._group or [], None
        self.free(slots)


class PrefixModel:
    """The tree as a dictionary: each node by the whole text that leads to its end."""

    def __init__(self, page_size: int, order: str) -> None:
        self.page_size = page_size
        self.key = EVICTION_ORDERS[order]().key
        self.slots: dict[tuple[int, ...], int] = {}
        self.nodes: dict[tuple[int, ...], SimpleNamespace] = {}
        self.clock = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def _cut(self, text: tuple[int, ...]) -> tuple[int, ...]:
        return text[: len(text) // self.page_size * self.page_size]

    def start(self, end: tuple[int, ...]) -> int:
        return max((n for n in range(len(end)) if end[:n] in self.nodes), default=0)

    def path(self, text: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [text[:n] for n in range(1, len(text) + 1) if text[:n] in self.nodes]

    def known(self, text: tuple[int, ...]) -> int:
        text = self._cut(text)
        lengths = range(len(text), 0, -self.page_size)
        return next((n for n in lengths if text[:n] in self.slots), 0)

    def _walk(self, text: tuple[int, ...], touched: int) -> int:
        """Touch the nodes of the known part, and end one where it ends."""
        length = self.known(text)
        for end in [e for e in self.nodes if self._cut(e)[: self.start(e) + 1] == text[: self.start(e) + 1]]:
            if self.start(end) < length:
                self.nodes[end].last_access = touched
        if length and text[:length] not in self.nodes:
            lower = next(e for e in self.nodes if e[:length] == text[:length] and self.start(e) < length)
            now = self.tick()
            upper = SimpleNamespace(**vars(self.nodes[lower]))
            upper.created = upper.last_access = now
            self.nodes[text[:length]] = upper
        return length

    def match(self, text: tuple[int, ...]) -> list[int]:
        text = self._cut(text)
        if not text:
            return []
        length = self._walk(text, self.tick())
        return [self.slots[text[: i + 1]] for i in range(length)]

    def insert(self, text: tuple[int, ...], slots: list[int], priority: int) -> int:
        now = self.tick()
        length = self._walk(text, now) if text else 0
        for end in self.path(text[:length]):
            node = self.nodes[end]
            node.hits += 1
            node.priority = max(node.priority, priority)
        if len(text) > length:
            created = self.tick()
            self.nodes[text] = SimpleNamespace(
                last_access=created, created=created, hits=1, priority=priority, locks=0
            )
            self.slots.update({text[: i + 1]: slots[i] for i in range(length, len(text))})
        return length

    def lock(self, text: tuple[int, ...], change: int) -> None:
        for end in self.path(text):
            self.nodes[end].locks += change

    def evict(self, tokens: int) -> list[list[int]]:
        """The slots of the leaves that go, leaf by leaf."""
        gone: list[list[int]] = []
        while sum(map(len, gone)) < tokens:
            leaves = [
                end for end, node in self.nodes.items()
                if not node.locks and not any(e != end and e[: len(end)] == end for e in self.nodes)
            ]  # fmt: skip
            if not leaves:
                break
            end = min(leaves, key=lambda e: self.key(self.nodes[e]))
            start = self.start(end)
            gone.append([self.slots.pop(end[: i + 1]) for i in range(start, len(end))])
            del self.nodes[end]
        return gone

    def tokens(self, *, locked: bool) -> int:
        return sum(len(e) - self.start(e) for e, node in self.nodes.items() if bool(node.locks) is locked)


# -- requests and slots -----------------------------------------------------------------------------------


def new_table(members: list[Req] | None = None, capacity: int = 256) -> ReqTable:
    return ReqTable(lambda: members or [], capacity)


def new_req(
    rid: str = "r", prompt: int = 20, max_new: int = 12, *, table: ReqTable | None = None, tag: int = 6,
    **more: Any,
) -> Req:  # fmt: skip
    spec = Request(rid=rid, prompt=(Segment(name=rid, length=prompt),), max_new=max_new, **more)
    origin = np.arange(100, 100 + prompt, dtype=np.int64)
    return Req(new_table() if table is None else table, spec, origin, key=12345, tag=tag, serial=1)


def new_scheduler(
    release: str = "sglang-0.5.11", *, tokens: int = 1000, page_size: int = 1, rows: int = 8,
    context: int = 512, compose_with: dict[str, Any] | None = None, swa: SwaConfig | None = None, **knobs: Any,
) -> Scheduler:  # fmt: skip
    pool = PoolConfig(tokens=tokens, page_size=page_size, rows=rows, context=context, swa=swa)
    config = RunConfig(pool=pool, scheduler=SchedulerConfig(**{"max_running": 8, **knobs}))
    return Scheduler(config, compose(release, **(compose_with or {})))


def hold(scheduler: Scheduler, name: str, *, p: int = 20, c: int = 26, a: int = 26) -> SessionSlot:
    """Let a session hold a row: p tokens in the tree, [p, a) its own, c of them valid."""
    memory = scheduler.memory
    if name not in scheduler.controller.sessions:
        scheduler.controller.open(name, None, 0.0)
    tag = scheduler.controller.sessions[name].tag
    slots = memory.allocator.alloc_extend(ints([0]), ints([a]), memory.backend.put([-1]), ints([tag]))
    rows = memory.rows.take(1)
    assert slots is not None
    assert rows is not None
    memory.rows.posted(rows[0], FREE, tag)
    memory.rows.extent[rows[0]] = 0
    memory.rows.write(rows[0], 0, slots)
    slot = scheduler.cache.slots[name] = SessionSlot(tag)
    slot.row, slot.committed, slot.allocated, slot.protected = rows[0], c, a, p
    if p:
        key = np.arange(p, dtype=np.int64) + 1000 * (1 + sum(map(ord, name)))
        memory.tree.insert(key, slots[:p], tag)
        slot.last_node = memory.tree.match_units(key)[1]
        memory.tree.lock(slot.last_node)
    memory.book.post(name, slot)
    assert tag & 3 == SESSION
    return slot


def borrow(scheduler: Scheduler, name: str, rid: str, **more: Any) -> Req:
    """A turn of the session that has been lent the slot."""
    session = scheduler.controller.sessions[name]
    req = new_req(rid, table=scheduler.table, tag=session.tag, session=name, **more)
    req.session = session
    slot = scheduler.cache.slots[name]
    slot.restore(req)
    req.protected, req.last_node = slot.protected, slot.virtual_node
    return req


def total_of(scheduler: Scheduler) -> int:
    """Available, evictable, protected and what sessions hold."""
    memory = scheduler.memory
    return memory.allocator.available() + memory.tree.evictable + memory.tree.protected + memory.book.total
