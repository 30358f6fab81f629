"""INV-4 and INV-5: the cursors of every live request and slot (`limits.py`), and who shares a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sim.ledger.findings import Breach
from sim.ledger.limits import Limits
from sim.scheduler.batch import Batch
from sim.scheduler.request import Req
from sim.scheduler.table import ROW, A, C, E, P

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


class Watermarks:
    """Looks at what changed since the last event; a request comes by a row only in a prefill."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._width = scheduler.memory.rows.width
        self._page = scheduler.memory.page_size
        self._windowed = scheduler.memory.swa is not None
        self._limits = Limits(page=self._page, width=self._width, windowed=self._windowed)
        self._version = -1
        self._until_full = 0
        self._prefill = -1

    def breaches(self) -> list[Breach]:
        """What is out of order now; O(batch) when a cursor moved, O(1) after a plain decode step.

        Such a step moves c and a of all its requests on by one: only a row that fills up can break then.
        """
        scheduler = self._scheduler
        book, version = scheduler.memory.book, scheduler.table.version
        self._until_full -= 1
        found: list[Breach] = []
        if version != self._version or self._until_full < 0 or scheduler.table.moved:
            self._version = version
            found.extend(self._moved())
        if book.fresh:
            for name in dict.fromkeys(book.fresh):
                found.extend(self._slot(name))
            book.fresh.clear()
        return found

    def _moved(self) -> Iterator[Breach]:
        """Look at the requests whose cursors moved, and, after a prefill, at who came by a row."""
        scheduler, table = self._scheduler, self._scheduler.table
        if table.all_moved or self._until_full < 0:
            table.all_moved = False
            table.moved.clear()
            self._until_full = self._width
            for batch in scheduler.view.batches():
                if batch.reqs and self._cursors_off(batch):
                    for req in batch.reqs:
                        yield from self._request(req)
        elif table.moved:
            for index in sorted(table.moved):
                req = table.member(index)
                if req is not None and req.counted and req.row is not None:
                    self._until_full = min(self._until_full, self._width - req.allocated)
                    yield from self._request(req)
            table.moved.clear()
        last = scheduler.last
        if last is not None and last.is_extend and scheduler.forward_count != self._prefill:
            self._prefill = scheduler.forward_count
            yield from self._shared_rows([batch for batch in scheduler.view.batches() if batch.reqs])

    def _cursors_off(self, batch: Batch) -> bool:
        """Whether some cursor of the batch may be out of order."""
        hot = self._scheduler.table.hot
        index = batch.lanes(self._scheduler.table, self._width).index
        committed, allocated = hot[C][index], hot[A][index]
        self._until_full = min(self._until_full, self._width - int(allocated.max()))
        if self._until_full < 0:
            return True
        order = committed - hot[P][index]
        allocated -= committed
        order |= allocated
        if self._windowed:
            evicted = hot[E][index]
            if (evicted > hot[A][index]).any() or (evicted % self._page).any():
                return True
        return bool(order.min() < 0)

    def _request(self, req: Req) -> Iterator[Breach]:
        if req.counted and req.row is not None:
            session = req.session.name if req.session else None
            yield from self._limits.request(
                req.rid, session, req.protected, req.committed, req.allocated, req.evicted
            )

    def _slot(self, name: str) -> Iterator[Breach]:
        slot = self._scheduler.cache.slots.get(name)
        if slot is not None and slot.row is not None:
            yield from self._limits.slot(name, slot.protected, slot.committed, slot.allocated, slot.evicted)

    def _shared_rows(self, batches: list[Batch]) -> Iterator[Breach]:
        table = self._scheduler.table
        users = np.zeros(len(self._scheduler.memory.rows.extent) + 1, dtype=np.int64)
        for batch in batches:
            users += np.bincount(
                table.hot[ROW][batch.lanes(table, self._width).index] + 1, minlength=len(users)
            )
        if not len(users[1:]) or users[1:].max() <= 1:
            return
        holders: dict[int, Req] = {}
        for req in {id(r): r for batch in batches for r in batch.reqs}.values():
            row = req.row
            if row is None or req.finished:
                continue
            other = holders.setdefault(row, req)
            if other is not req:
                owner = req.session or other.session
                session = owner.name if owner else None
                yield Breach(
                    "INV-5", f"row {row}: {other.rid} {req.rid}",
                    f"requests {other.rid} and {req.rid} both work on row {row}", req.rid, session, 1,
                )  # fmt: skip
