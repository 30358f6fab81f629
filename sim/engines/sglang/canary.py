"""What the forward pass that nobody runs would have written, slot by slot, and whether it is still there when read.

written   every slot of a prefill, a decode step, a speculative round: position and token
read      the prefix that a prefill reuses; a request that ends, once something went wrong; tree and slots when asked
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.config import PoolConfig
from sim.engines.sglang.arrivals import NEVER
from sim.engines.sglang.keys import first_tokens
from sim.engines.sglang.memory import Memory
from sim.engines.sglang.owners import session_name
from sim.engines.sglang.states import StateCanary
from sim.ledger.findings import Misread
from sim.ledger.owners import MOST_UNREAD
from sim.ledger.physical import Ints
from sim.ledger.words import misread
from sim.memory.backend import backend
from sim.memory.kvpool import GARBAGE, KVPool, header_of
from sim.memory.presets import PRESETS
from sim.world import EOS, tokens_at

_ANY = "the tree"


class Canary:
    """Position and token of every slot of one pool."""

    def __init__(self, engine: Any, memory: Memory, about: Callable[[Any], None]) -> None:
        self._text = engine.text
        self._memory = memory
        self._about = about
        # The content is what matters here, so one word per slot will do, whatever the model's KV would weigh.
        self._kv = KVPool(backend("cpu"), (memory.units + 1) * memory.page, PRESETS["tiny"])
        self._last = len(self._kv.headers) - 1
        pool = engine.config.pool
        self._swa = None if pool.swa is None else _Windowed(memory, pool)
        self._states = None if pool.mamba is None else StateCanary(engine, memory, self.note)
        self.misreads: list[Misread] = []
        self.launches = 0

    def note(self, misread: Misread) -> None:
        """Keep it for the next observation."""
        if len(self.misreads) < MOST_UNREAD:
            self.misreads.append(misread)

    # -- writing ------------------------------------------------------------------------------------------

    def launched(self, batch: Any) -> None:
        """A batch without speculation, or a prefill: rows are written, the result is still to come."""
        self.launches += 1
        if self._states is not None:
            self._states.launched(batch)
        if batch.forward_mode.is_decode():
            self._decode(batch.reqs)
            return
        decoding = batch.decoding_reqs or ()
        for req, prefix, count in zip(batch.reqs, batch.prefix_lens, batch.extend_lens, strict=True):
            if not any(req is other for other in decoding):
                self._prefill(req, prefix, prefix + count)
        if decoding:
            self._decode(decoding)

    def _prefill(self, req: Any, prefix: int, stop: int) -> None:
        self._about(req)
        tokens = self._text(req, 0, stop)
        slots = self._memory.row(req.req_pool_idx, 0, stop)
        if prefix:
            self.compare(req.rid, session_name(req), slots[:prefix], 0, tokens[:prefix])
            if self._swa is not None:
                start = max(0, prefix - self._swa.window)
                self.compare(req.rid, session_name(req), slots[start:prefix], start, tokens[start:prefix], "swa")
        positions = np.arange(prefix, stop, dtype=np.int64)
        self._write(slots[prefix:], header_of(positions, tokens[prefix:]))

    def _decode(self, reqs: Any) -> None:
        """The token that each request feeds in: the one at position c − 1."""
        positions = np.array([req.kv_committed_len for req in reqs], dtype=np.int64) - 1
        rows = np.array([req.req_pool_idx for req in reqs], dtype=np.int64)
        self._write(self._memory.at(rows, positions), header_of(positions, _outputs(reqs, positions)))

    def round(self, reqs: Any, starts: Any, accepted: Any, draft: int) -> None:
        """A speculative round: `draft` tokens from each start on, of which the accepted are the text's."""
        self.launches += 1
        steps = np.arange(draft, dtype=np.int64)
        positions = np.asarray(starts, dtype=np.int64)[:, None] + steps
        tokens = _outputs(reqs, positions)
        tokens[steps >= np.asarray(accepted, dtype=np.int64)[:, None]] = GARBAGE
        rows = np.array([req.req_pool_idx for req in reqs], dtype=np.int64)[:, None]
        self._write(self._memory.at(rows, positions).reshape(-1), header_of(positions, tokens).reshape(-1))
        if self._states is not None:
            self._states.round(reqs, starts, accepted)

    def _write(self, slots: Ints, headers: Ints) -> None:
        self._kv.write(np.clip(slots, 0, self._last), headers)
        if self._swa is not None:
            self._swa.kv.write(self._swa.behind(slots), headers)

    # -- reading ------------------------------------------------------------------------------------------

    def ended(self, req: Any) -> None:
        """Read back the private part of a request that ends, while its row still names it."""
        start = req.cache_protected_len
        stop = min(req.kv_committed_len, len(req.origin_input_ids) + len(req.output_ids))
        if req.req_pool_idx is not None and start < stop:
            slots = self._memory.row(req.req_pool_idx, start, stop)
            self.compare(req.rid, session_name(req), slots, start, self._text(req, start, stop))

    def read_back(self, sessions: Any) -> None:
        """Read every token that the tree or a slot keeps."""
        self._read_tree()
        if self._states is not None:
            self._states.read_back()
        for name, slot in self._memory.slots().items():
            turn = _last_turn(sessions.get(name))
            p, c, a = slot.cache_protected_len, slot.kv_committed_len, slot.kv_allocated_len
            if slot.req_pool_idx is not None and turn is not None and p <= c <= a:
                slots = self._memory.row(slot.req_pool_idx, p, c)
                self.compare(turn.rid, name, slots, p, self._text(turn, p, c))
                if self._swa is not None:
                    # A turn that works on the row of its session moves the window on.
                    past = max(slot.swa_evicted_seqlen, self._memory.passed(slot.req_pool_idx))
                    start = min(max(p, past), c)
                    self.compare(turn.rid, name, slots[start - p :], start, self._text(turn, start, c), "swa")

    def _read_tree(self) -> None:
        """All nodes at once; one by one only if something is wrong."""
        nodes = self._memory.nodes()
        if not nodes:
            return
        runs = [node.value.numpy() for node, _ in nodes]
        places = [np.arange(depth, depth + len(run)) for (_, depth), run in zip(nodes, runs, strict=True)]
        texts = [first_tokens(node, len(run)) for (node, _), run in zip(nodes, runs, strict=True)]
        if self._wrong(np.concatenate(runs), np.concatenate(places), np.concatenate(texts)):
            for (_, depth), run, tokens in zip(nodes, runs, texts, strict=True):
                self.compare(_ANY, None, run, depth, tokens)
        if self._swa is not None:
            for (node, depth), run, tokens in zip(nodes, runs, texts, strict=True):
                if not node.swa_tombstone:
                    self.compare(_ANY, None, run, depth, tokens, "swa")

    def compare(
        self, rid: str, session: str | None, slots: Ints, start: int, tokens: Ints, pool: str = "full"
    ) -> None:
        """Note where the slots, or their windowed halves, do not hold these tokens, from position `start` on."""
        positions, kv = np.arange(start, start + len(tokens), dtype=np.int64), self._kv
        if pool == "swa":
            assert self._swa is not None
            slots, kv = self._swa.behind(slots), self._swa.kv
            wrong = kv.wrong(slots, positions, tokens)
        else:
            wrong = self._wrong(slots, positions, tokens)
        if not wrong:
            return
        at = wrong[0]
        slot = int(slots[at])
        what = misread(rid, start + at, int(tokens[at]), pool, slot, kv.describe(slot), len(wrong))
        self.note(Misread(rid, session, what, len(wrong), (slot,), pool=pool))

    def _wrong(self, slots: Ints, positions: Ints, tokens: Ints) -> list[int]:
        return self._kv.wrong(np.clip(slots, 0, self._last), positions, tokens)


def _outputs(reqs: Any, positions: Ints) -> Ints:
    """What the world says at these positions of these requests' outputs."""
    shape = (len(reqs),) + (1,) * (positions.ndim - 1)
    tokens = tokens_at(np.array([req.known.key for req in reqs], dtype=np.int64).reshape(shape), positions)
    for i, req in enumerate(reqs):
        stop = req.known.stop_at
        if stop < NEVER:
            line = tokens[i : i + 1]
            line[positions[i : i + 1] == len(req.origin_input_ids) + stop - 1] = EOS
    return tokens


class _Windowed:
    """The windowed halves: found through the release's own mapping."""

    def __init__(self, memory: Memory, pool: PoolConfig) -> None:
        assert pool.swa is not None
        self.window = pool.swa.window
        self.kv = KVPool(backend("cpu"), pool.swa.tokens + pool.page_size, PRESETS["tiny"])
        self._memory = memory
        self._last = len(self.kv.headers) - 1

    def behind(self, slots: Ints) -> Ints:
        """The windowed slot behind each slot; 0 where there is none."""
        return np.clip(self._memory.mapped(slots), 0, self._last)


def _last_turn(session: Any) -> Any:
    """The turn that is a session's history, if it has ended."""
    if session is None:
        return None
    for node in session.req_nodes.values():
        return node.req if node.req.finished() else None
    return None
