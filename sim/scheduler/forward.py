"""The forward pass: what it writes into the tensors, and what it reads and verifies.

KV       writing stores (writer, position, token) in each slot; reading happens where attention would read what somebody
         else may have touched: a prefix that a prefill reuses, and the whole of a request when it ends
windowed the same in the windowed half of each slot, found through the mapping; of a prefix only its last window is read
states   every pass reads the state of each request, which must be its own and stand where the pass begins, and leaves
         it standing where the pass ends
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.ledger.findings import Misread
from sim.ledger.owners import MOST_UNREAD, SESSION
from sim.ledger.words import misread
from sim.memory.backend import Array
from sim.memory.kvpool import CONTENT_MASK, GARBAGE, PLACE_STEP, described, header_of, writer_base
from sim.scheduler.batch import Lanes
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.statereader import StateReader
from sim.scheduler.table import ReqTable
from sim.world import EOS, Ints, tokens_at


class Forward:
    """Writes and verifies canaries."""

    def __init__(self, memory: Memory, table: ReqTable) -> None:
        self._memory = memory
        self._table = table
        self._swa = memory.swa
        states = memory.states
        self.states = None if states is None else StateReader(memory, states, table, self.note)
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
            self.compare(req.rid, _session_of(req), req.prefix, 0, tokens[:prefix], reader=req)
        positions = np.arange(prefix, req.fill_len, dtype=np.int64)
        headers = header_of(positions, tokens[prefix:], writer_base(req.serial))
        self._write(slots, self._memory.backend.put(headers))
        if self._swa is not None and prefix:
            start = max(0, prefix - self._swa.window)
            late, told = req.prefix[start:], tokens[start:prefix]
            self.compare(req.rid, _session_of(req), late, start, told, "swa", reader=req)
        if self.states is not None and req.state is not None and req.state.slot is not None:
            self.states.passed(req, req.state.slot, prefix, req.fill_len)
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
        self._write(slots, self._memory.backend.put(header))
        if self.states is not None and lanes.states is not None:
            self.states.decoded(lanes, lanes.states, cursor)

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
        self._write(slots, put(headers))
        if self.states is not None and lanes.states is not None:
            self.states.stepped(lanes, lanes.states, start, start + accepted)

    def _write(self, slots: Array, headers: Array) -> None:
        """Store the headers in both halves of the slots."""
        self._memory.kv.write(slots, headers)
        if self._swa is not None:
            self._swa.kv.write(self._swa.mapping[slots], headers)

    def ended(self, req: Req, count: int) -> None:
        """Read back the private part of a request that ends, once a posting has gone wrong in this run.

        Before that nobody else can have written there; a recount reads everything back in any case.
        """
        row, ledger = req.row, self._memory.ledger
        if row is None or count <= req.protected or not ledger.suspicious:
            return
        slots = self._memory.rows.read(row, req.protected, count)
        tokens = req.tokens(count)[req.protected :]
        self.compare(req.rid, _session_of(req), slots, req.protected, tokens, if_touched=True, reader=req)

    def compare(
        self, rid: str, session: str | None, slots: Array, start: int, tokens: Ints, pool: str = "full", *,
        if_touched: bool = False, reader: Req | None = None,
    ) -> None:  # fmt: skip
        """Note where the slots, or their windowed halves, do not hold these tokens, from position `start` on.

        With `if_touched`, only once a posting of this run has gone wrong. `reader`: who takes them for its own.
        """
        memory, named = self._memory, self.places(slots, pool)
        found, off = self.off(named, np.arange(start, start + len(tokens)), tokens, pool)
        said = None if reader is None or reader.session is None else reader.session.as_of_now()

        def tell() -> None:
            host, wrong = memory.backend.get(found), memory.backend.get(off).nonzero()[0]
            at = int(wrong[0])
            slot = int(named[at])
            whose = "" if reader is None else self._whose(slots, reader, said, int(host[at]))
            what = misread(rid, start + at, int(tokens[at]), pool, slot, described(int(host[at])), len(wrong), whose)
            self.note(Misread(rid, session, what, len(wrong), (slot,), pool=pool))

        memory.ledger.read(off, tell, if_touched=if_touched)

    def _whose(self, slots: Array, reader: Req, said: Callable[[], Ints] | None, header: int) -> str:
        """Why a reader finds the wrong thing: it has put it there, or is a turn that was lent what it should not be."""
        memory = self._memory
        if header and header & ~CONTENT_MASK == writer_base(reader.serial):
            return " that it wrote itself"
        if said is None:
            return ""
        owner = int(memory.backend.get(memory.allocator.owners.tags[slots[-1:] // memory.page_size])[0])
        if owner & 3 == SESSION and owner != reader.tag:
            return " of an earlier session"
        history = said()
        goes_on = len(history) <= reader.prompt_len and np.array_equal(reader.tokens(len(history)), history)
        return "" if goes_on else " of a turn that ended later"

    def places(self, slots: Array, pool: str) -> Array:
        """Where these slots are kept in a pool: themselves, or their windowed halves."""
        if pool == "full":
            return slots
        assert self._swa is not None
        return self._swa.mapping[slots]

    def off(self, places: Array, positions: Ints, tokens: Ints, pool: str) -> tuple[Array, Array]:
        """The headers found in these places, and where they are not those of these tokens."""
        kv = self._swa.kv if pool == "swa" and self._swa is not None else self._memory.kv
        found = kv.headers[places]
        return found, kv.off(found, positions, tokens)


def _session_of(req: Req) -> str | None:
    return req.session.name if req.session else None
