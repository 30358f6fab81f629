"""Streaming sessions: the conversation, and what it keeps in memory between turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from sim.ledger.owners import Tag
from sim.memory.states import StateNames
from sim.scheduler.request import Req
from sim.world import Ints


class Session:
    """A conversation: at most one node, the turn whose tokens are the history."""

    __slots__ = ("close_on_finish", "inflight", "last_active", "name", "node", "opened", "tag", "timeout")

    def __init__(self, name: str, tag: Tag, timeout: float | None, now: float, opened: int) -> None:
        self.name = name
        self.tag = tag
        self.timeout = timeout
        self.last_active = now
        self.opened = opened
        self.node: Req | None = None
        self.inflight = False
        self.close_on_finish = False

    def timed_out(self, now: float) -> bool:
        """Whether it has been silent for longer than its time-out."""
        return self.timeout is not None and now - self.last_active > self.timeout

    def history(self) -> Ints:
        """The text that the next turn is appended to."""
        return self.as_of_now()()

    def as_of_now(self) -> Callable[[], Ints]:
        """What gives the history as it is now, whenever it is asked; tokens are made only then."""
        last = self.node
        if last is None:
            return lambda: np.empty(0, dtype=np.int64)
        origin, out = last.origin, last.out
        return lambda: np.concatenate((origin, last.output(out)[: last.max_new]))

    @property
    def history_len(self) -> int:
        """Its length, without making its tokens: it is asked for after every operation of a comparison."""
        last = self.node
        # As in `history`: a negative limit cuts from the end.
        return 0 if last is None else len(last.origin) + len(range(last.out)[: last.max_new])


class VirtualNode:
    """Stands for the tree node of a turn that continues a slot; locking it does nothing."""

    __slots__ = ()


class SessionSlot:
    """What a session holds between turns: a row and its private slots, invisible to the tree.

    row: [0 … p) tree, locked by last_node │ [p … c) held, valid │ [c … a) held, reserved
    """

    __slots__ = (
        "active", "allocated", "committed", "evicted", "last_node", "mark", "protected", "row", "state", "tag",
        "virtual_node",
    )  # fmt: skip

    def __init__(self, tag: Tag) -> None:
        self.tag = tag
        self.virtual_node = VirtualNode()
        self.row: int | None = None
        self.committed = 0
        self.allocated = 0
        self.evicted = 0
        self.last_node: Any = None
        self.mark: int | None = None
        self.protected = 0
        self.active = False
        self.state: StateNames | None = None

    @property
    def holding(self) -> bool:
        """Whether it names a row."""
        return self.row is not None

    def save(self, req: Req, first: bool) -> None:
        """Take over row and slots of a turn that ends."""
        self.row = req.row
        self.committed = req.committed
        self.allocated = req.allocated
        self.evicted = req.evicted
        if first:
            self.last_node = req.last_node
            self.mark = req.mark
            self.protected = req.protected
        req.row = None
        if req.state is not None:
            self.state = req.state.copy()
            req.state.slot = None

    def save_all(self, req: Req) -> None:
        """Stand in for the slot that an aborted first turn never had; the request keeps its row until released."""
        self.row = req.row
        self.allocated = req.allocated
        self.last_node = req.last_node
        self.mark = req.mark
        self.protected = req.protected

    def restore(self, req: Req) -> None:
        """Lend row and slots to the next turn; the slot keeps naming them, since admission may be retried."""
        req.row = self.row
        req.committed = self.committed
        req.allocated = self.allocated
        req.evicted = self.evicted
        req.mark = self.mark
        if self.state is not None:
            req.state = self.state.copy()


def _tokens(slot: SessionSlot, page_size: int) -> int:
    """What a slot holds of the full pool."""
    return -(-slot.allocated // page_size) * page_size - slot.protected


def _windowed(slot: SessionSlot, page_size: int) -> int:
    """What a slot holds of the windowed pool, as the release counts it: below zero if e was left behind a cut."""
    return -(-slot.allocated // page_size) * page_size - max(slot.protected, slot.evicted)


def _states(slot: SessionSlot, page_size: int) -> int:
    """What a slot holds of the state pool."""
    return 0 if slot.state is None else len(slot.state.all)


_MEASURES = {"full": _tokens, "swa": _windowed, "mamba": _states}


class SlotBook:
    """What slots that hold a row hold of each pool, kept incrementally, also by row and for slots flagged active.

    The book itself is the full pool's: Σ ceil(a) − p. `of` names the book of another pool.
    """

    def __init__(self, page_size: int, pools: Iterable[str] = ("full",), *, pool: str = "full") -> None:
        self._page_size = page_size
        self._measure = _MEASURES[pool]
        self._books = {name: SlotBook(page_size, pool=name) for name in pools if name != pool}
        self._posted: dict[str, tuple[int, int, bool]] = {}
        self.total = 0
        self.flagged = 0
        self.holding = 0
        self.by_row: dict[int, int] = {}
        self.changes = 0
        self.fresh: list[str] = []

    def of(self, pool: str) -> SlotBook:
        """The book of one pool."""
        return self if pool == "full" else self._books[pool]

    def post(self, name: str, slot: SessionSlot | None) -> None:
        """The slot of session `name` has changed (or is gone)."""
        self.changes += 1
        self.fresh.append(name)
        self._post(name, slot)
        for book in self._books.values():
            book._post(name, slot)

    def _post(self, name: str, slot: SessionSlot | None) -> None:
        posted = self._posted.pop(name, None)
        if posted is not None:
            row, amount, active = posted
            self._add(row, -amount, active, -1)
        if slot is not None and slot.row is not None:
            entry = (slot.row, self._measure(slot, self._page_size), slot.active)
            self._posted[name] = entry
            self._add(slot.row, entry[1], slot.active, 1)

    def _add(self, row: int, tokens: int, active: bool, count: int) -> None:
        self.total += tokens
        self.holding += count
        if active:
            self.flagged += tokens
        left = self.by_row.get(row, 0) + tokens
        if left:
            self.by_row[row] = left
        else:
            self.by_row.pop(row, None)

    def in_rows(self, rows: set[int]) -> int:
        """What the slots that name one of these rows contribute."""
        by_row = self.by_row
        return sum(by_row.get(row, 0) for row in rows)
