"""The canary of a release's recurrent states: how many tokens of a text each stands for, and of which text.

The words lie in the release's own tensor: it zeroes them with a slot that it hands out, and copies them with a state.

written   the running state of every request that a pass works on; a snapshot where the release has one taken
read      the running state where a pass begins; what the tree keeps, when asked
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from sim.engines.sglang.keys import first_tokens
from sim.engines.sglang.memory import Memory
from sim.engines.sglang.owners import session_name
from sim.ledger.findings import Misread
from sim.ledger.physical import Ints

_ZERO = (0, 0)


class StateCanary:
    """Position and text of every slot of one state pool."""

    def __init__(self, engine: Any, memory: Memory, note: Callable[[Misread], None]) -> None:
        self._text = engine.text
        self._memory = memory
        self._note = note
        pool = engine.scheduler.req_to_token_pool.mamba_pool
        self._words: Ints = pool.mamba_cache.temporal.numpy()[0, :, :, 0, 0]
        self._interval: int = engine.config.pool.mamba.track_interval

    def launched(self, batch: Any) -> None:
        """A prefill, a decode step, or both in one."""
        decoding = batch.reqs if batch.forward_mode.is_decode() else batch.decoding_reqs or ()
        for req in decoding:
            stop = req.kv_committed_len
            self._passed(req, stop - 1, stop)
        if not batch.forward_mode.is_decode():
            known = set(map(id, decoding))
            for req, prefix, count in zip(batch.reqs, batch.prefix_lens, batch.extend_lens, strict=True):
                if id(req) not in known:
                    self._passed(req, prefix, prefix + count)
        self._snapshots(batch)

    def _snapshots(self, batch: Any) -> None:
        """What the release says is to be kept of this pass; a mixed one is not told."""
        if batch.mamba_track_mask is None or batch.mamba_track_indices is None:
            return
        slots, mask = batch.mamba_track_indices.tolist(), batch.mamba_track_mask.tolist()
        for req, slot, kept in zip(batch.reqs, slots, mask, strict=False):
            if kept:
                prefill = not batch.forward_mode.is_decode()
                self._write(slot, req, req.mamba_last_track_seqlen if prefill else req.kv_committed_len)

    def round(self, reqs: Sequence[Any], starts: Sequence[int], accepted: Sequence[int]) -> None:
        """A speculative round; where it crosses the grid the state of the crossing is kept."""
        for req, start, count in zip(reqs, starts, accepted, strict=True):
            stop = int(start) + int(count)
            self._passed(req, int(start), stop)
            buffer, grid = req.mamba_ping_pong_track_buffer, stop // self._interval
            if buffer is not None and grid != (stop - int(count)) // self._interval:
                self._write(int(buffer[req.mamba_next_track_idx]), req, grid * self._interval)

    def _passed(self, req: Any, start: int, stop: int) -> None:
        if req.mamba_pool_idx is None:
            return
        slot = int(req.mamba_pool_idx)
        if self._mark(slot) != (_ZERO if start == 0 else self._expected(req, start)):
            what = f"state {slot} of request {req.rid}, which goes on from position {start}, {self._holds(slot)}"
            self._note(Misread(req.rid, session_name(req), what, 1, (slot,), pool="mamba"))
        self._write(slot, req, stop)

    def _expected(self, req: Any, position: int) -> tuple[int, int]:
        """The mark of a text up to a position; what the last pass left is gone on from."""
        have, crc = vars(req).get("state_mark", _ZERO)
        if have > position:
            have, crc = _ZERO
        crc = crc32(np.asarray(self._text(req, have, position), dtype="<i8").tobytes(), crc)
        req.state_mark = (position, crc)
        return position + 1, crc

    def _write(self, slot: int, req: Any, position: int) -> None:
        self._words[slot, :2] = self._expected(req, position)

    def _mark(self, slot: int) -> tuple[int, int]:
        place, crc = self._words[slot, :2].tolist()
        return int(place), int(crc)

    def _holds(self, slot: int) -> str:
        mark = self._mark(slot)
        return "is zero" if mark == _ZERO else f"stands at position {mark[0] - 1} of another text, or another position"

    def read_back(self) -> None:
        """Read what the tree keeps: the state at the end of each node that has one."""
        texts: dict[int, tuple[int, int]] = {}
        for node, depth in self._memory.nodes():
            tokens = first_tokens(node, len(node.value))
            _, above = texts.get(id(node.parent), _ZERO)
            mark = depth + len(tokens) + 1, crc32(np.asarray(tokens, dtype="<i8").tobytes(), above)
            texts[id(node)] = mark
            value = getattr(node, "mamba_value", None)
            if value is not None and self._mark(int(value)) != mark:
                what = f"state {int(value)} of a node that ends at position {mark[0] - 1} {self._holds(int(value))}"
                self._note(Misread("the tree", None, what, 1, (int(value),), pool="mamba"))
