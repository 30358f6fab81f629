"""INV-4 and INV-5: the cursors of every live request and slot, and who shares a row.

0 ≤ p ≤ c ≤ a ≤ row width, p on a page boundary; one live request per row
with a windowed pool also e ≤ a, e on a page boundary
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sim.ledger.findings import Breach
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
        p, c, a = req.protected, req.committed, req.allocated
        if req.counted and req.row is not None and (not p <= c <= a <= self._width or p % self._page):
            session = req.session.name if req.session else None
            yield Breach(
                "INV-4", f"request {req.rid}",
                f"request {req.rid}: p={p}, c={c}, a={a}, row width {self._width}; "
                "0 ≤ p ≤ c ≤ a ≤ width, p on a page boundary, does not hold",
                req.rid, session, min(c - p, a - c, self._width - a),
            )  # fmt: skip

        if req.counted and req.row is not None and self._windowed:
            session = req.session.name if req.session else None
            yield from self._evicted(req.evicted, a, f"request {req.rid}", req.rid, session)

    def _evicted(
        self, e: int, a: int, who: str, request: str | None, session: str | None
    ) -> Iterator[Breach]:
        """How far the window has freed: never beyond what is allocated, always whole pages."""
        if e > a or e % self._page:
            whole = "" if self._page == 1 else f", e on a boundary of pages of {self._page}"
            yield Breach(
                "INV-4", f"e of {who}", f"{who}: e={e}, a={a}; e ≤ a{whole}, does not hold", request, session,
                min(a - e, 0) or -(e % self._page), "swa",
            )  # fmt: skip

    def _slot(self, name: str) -> Iterator[Breach]:
        scheduler = self._scheduler
        slot = scheduler.cache.slots.get(name)
        if slot is None or slot.row is None:
            return
        p, c, a = slot.protected, slot.committed, slot.allocated
        if not 0 <= p <= c <= a <= self._width or p % self._page:
            yield Breach(
                "INV-4", f"session {name}",
                f"slot of session {name}: p={p}, c={c}, a={a}; 0 ≤ p ≤ c ≤ a ≤ width does not hold",
                None, name, min(c - p, a - c, self._width - a),
            )  # fmt: skip
        if self._windowed:
            yield from self._evicted(slot.evicted, a, f"slot of session {name}", None, name)

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
