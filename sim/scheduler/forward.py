"""The forward pass: what it writes into the KV tensor, and what it reads and verifies.

Writing stores (writer, position, token) in each slot. Reading happens where attention would read what somebody else
may have touched: a prefix that a prefill reuses, and the whole of a request when it ends.
"""

from __future__ import annotations

import numpy as np

from sim.ledger.findings import Misread
from sim.ledger.owners import MOST_UNREAD
from sim.memory.backend import Array
from sim.memory.kvpool import GARBAGE, PLACE_STEP, header_of, writer_base
from sim.scheduler.batch import Lanes
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.table import ReqTable
from sim.world import EOS, Ints, tokens_at


class Forward:
    """Writes and verifies canaries."""

    def __init__(self, memory: Memory, table: ReqTable) -> None:
        self._memory = memory
        self._table = table
        self.misreads: list[Misread] = []

    def note(self, misread: Misread) -> None:
        """Keep it for the auditor; a run without one must not grow with what it misreads."""
        if len(self.misreads) < MOST_UNREAD:
            self.misreads.append(misread)

    def prefill(self, req: Req, slots: Array) -> None:
        """Verify the reused prefix, write the computed part."""
        tokens = req.tokens(req.fill_len)
        prefix = len(req.prefix)
        if prefix:
            self.compare(req.rid, _session_of(req), req.prefix, 0, tokens[:prefix])
        positions = np.arange(prefix, req.fill_len, dtype=np.int64)
        headers = header_of(positions, tokens[prefix:], writer_base(req.serial))
        self._memory.kv.write(slots, self._memory.backend.put(headers))
        req.device_len = req.fill_len

    def decode(self, lanes: Lanes, slots: Array) -> None:
        """Write the token that each request of a decode step feeds in: the one at position c − 1."""
        cursor = lanes.cursor
        assert cursor is not None
        tokens = cursor.tokens.next()
        if lanes.stops is not None:
            tokens[cursor.committed - 1 == lanes.stops] = EOS
        header = np.add(cursor.place, tokens, out=cursor.header)
        cursor.place += PLACE_STEP
        self._memory.kv.write(slots, self._memory.backend.put(header))

    def verify_round(
        self, lanes: Lanes, start: Ints, accepted: Ints, draft: int, slots: Array | None = None
    ) -> None:
        """Write a speculative round: `draft` tokens from `start` on, of which `accepted` are the text's.

        They go where the rows say, or to the slots that were allocated for this round.
        """
        steps = np.arange(draft, dtype=np.int64)
        positions = start[:, None] + steps
        tokens = tokens_at(lanes.keys.view(np.int64)[:, None], positions)
        if lanes.stops is not None:
            tokens[positions == lanes.stops[:, None]] = EOS
        tokens[steps >= accepted[:, None]] = GARBAGE
        headers = header_of(positions, tokens, lanes.writers[:, None]).reshape(-1)
        put = self._memory.backend.put
        if slots is None:
            where = (lanes.row_start[:, None] + positions).reshape(-1)
            slots = self._memory.backend.copy(self._memory.rows.flat[put(where)])
        self._memory.kv.write(slots, put(headers))

    def ended(self, req: Req, count: int) -> None:
        """Read back the private part of a request that ends, once a posting has gone wrong in this run.

        Before that nobody else can have written there; a recount reads everything back in any case.
        """
        row = req.row
        if row is None or count <= req.protected or not self._memory.ledger.touched:
            return
        slots = self._memory.rows.read(row, req.protected, count)
        self.compare(req.rid, _session_of(req), slots, req.protected, req.tokens(count)[req.protected :])

    def compare(self, rid: str, session: str | None, slots: Array, start: int, tokens: Ints) -> None:
        """Note where the slots do not hold these tokens, from position `start` on."""
        memory = self._memory
        positions = memory.backend.arange(start, start + len(tokens))
        wrong = memory.kv.wrong(slots, positions, memory.backend.put(tokens))
        if not wrong:
            return
        at = wrong[0]
        slot = int(slots[at])
        what = (
            f"position {start + at} of request {rid} should hold token {int(tokens[at])}; "
            f"slot {slot} holds {memory.kv.describe(slot)}; {len(wrong)} positions differ"
        )
        self.note(Misread(rid, session, what, len(wrong), (slot,)))


def _session_of(req: Req) -> str | None:
    return req.session.name if req.session else None
