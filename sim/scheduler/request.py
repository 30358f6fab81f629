"""One generation request: for a session, one turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.engines.protocol import Request
from sim.ledger.owners import Tag
from sim.memory.backend import Array
from sim.memory.kvpool import writer_base
from sim.memory.states import StateNames
from sim.scheduler.table import (
    COUNTED,
    DEVICE,
    FINISHED,
    GONE,
    KEY,
    LIMIT,
    MAX_NEW,
    NO_ROW,
    OUT,
    PROMPT,
    RETRACTED,
    ROW,
    STEPS,
    STOP,
    TAG,
    WRITER,
    A,
    C,
    E,
    P,
    ReqTable,
)
from sim.world import EOS, Ints, stream

if TYPE_CHECKING:
    from sim.scheduler.session import Session

NEVER = 1 << 40
_AT_ONCE = -(1 << 40)


@dataclass(frozen=True)
class Finish:
    """Why a request ended."""

    kind: str
    message: str = ""

    @property
    def aborted(self) -> bool:
        """Ended by an abort rather than by itself."""
        return self.kind == "abort"


class _Number:
    """A number of a request that lives in the table."""

    __slots__ = ("_line",)

    def __init__(self, line: int) -> None:
        self._line = line

    def __get__(self, req: Req, owner: type[Req]) -> int:
        return req.table.lines[self._line][req.index]

    def __set__(self, req: Req, value: int) -> None:
        req.table.lines[self._line][req.index] = value


class _Cursor(_Number):
    """A number on which the books depend: writing it makes cached sums stale."""

    __slots__ = ()

    def __set__(self, req: Req, value: int) -> None:
        table = req.table
        table.lines[self._line][req.index] = value
        table.version += 1
        table.moved.add(req.index)


class Req:
    """A request in the scheduler; its numbers live in the table."""

    __slots__ = (
        "arrived", "chunks_pending", "extend_len", "extend_steps", "fill_len", "finish", "finished_len", "freed",
        "index", "key", "last_node", "mark", "max_new", "origin", "prefix", "priority", "queued_at",
        "retractions", "rounds", "serial", "session", "spec", "started", "state", "stop_at", "table", "to_finish",
    )  # fmt: skip

    committed = _Cursor(C)
    allocated = _Cursor(A)
    protected = _Cursor(P)
    evicted = _Cursor(E)
    out = _Number(OUT)
    device_len = _Number(DEVICE)
    decode_steps = _Number(STEPS)
    tag = _Number(TAG)

    def __init__(self, table: ReqTable, spec: Request, origin: Ints, key: int, tag: Tag, serial: int) -> None:
        self.table = table
        self.index = table.acquire(self)
        self.spec = spec
        self.key = key
        self.serial = serial
        self.origin = origin
        self.max_new = spec.max_new
        self.priority = spec.priority
        self.stop_at = NEVER if spec.ignore_eos or spec.stop_at is None else spec.stop_at
        self.session: Session | None = None
        self.finish: Finish | None = None
        self.to_finish: Finish | None = None
        self.finished_len: int | None = None
        self.fill_len = 0
        self.prefix: Array = np.empty(0, dtype=np.int64)
        self.extend_len = 0
        self.last_node: Any = None
        self.mark: int | None = None
        self.chunks_pending = 0
        self.retractions = 0
        self.freed = False
        self.rounds = 0
        self.extend_steps = 0
        self.queued_at = 0
        self.arrived = 0.0
        self.started: float | None = None
        self.state: StateNames | None = None
        table.lines[TAG][self.index] = tag
        table.lines[KEY][self.index] = key
        table.lines[WRITER][self.index] = writer_base(serial)
        self._relimit()

    # -- identity -----------------------------------------------------------------------------------------

    @property
    def rid(self) -> str:
        """The request's id."""
        return self.spec.rid

    @property
    def row(self) -> int | None:
        """Its line of req_to_token."""
        row = self.table.lines[ROW][self.index]
        return None if row == NO_ROW else row

    @row.setter
    def row(self, row: int | None) -> None:
        self.table.lines[ROW][self.index] = NO_ROW if row is None else row

    @property
    def counted(self) -> bool:
        """Whether the release's `uncached` looks at it."""
        return self.table.lines[COUNTED][self.index] == 1

    @counted.setter
    def counted(self, value: bool) -> None:
        self.table.lines[COUNTED][self.index] = int(value)
        self.table.version += 1

    @property
    def is_retracted(self) -> bool:
        """Sent back to the queue, and not prefilled since."""
        return bool(self.table.lines[GONE][self.index] & RETRACTED)

    @is_retracted.setter
    def is_retracted(self, value: bool) -> None:
        line = self.table.lines[GONE]
        line[self.index] = line[self.index] & FINISHED | (RETRACTED if value else 0)

    @property
    def finished(self) -> bool:
        """Whether it has a finish reason."""
        return self.finish is not None

    @property
    def prompt_len(self) -> int:
        """O: tokens of the whole prompt, earlier conversation included."""
        return len(self.origin)

    @property
    def seqlen(self) -> int:
        """Prompt and output so far."""
        return len(self.origin) + self.out

    # -- text ---------------------------------------------------------------------------------------------

    def output(self, count: int) -> Ints:
        """The first `count` output tokens."""
        start = len(self.origin)
        tokens = stream(self.key, start, start + count)
        if self.stop_at <= count:
            tokens[self.stop_at - 1] = EOS
        return tokens

    def tokens(self, count: int) -> Ints:
        """The first `count` tokens of prompt and output."""
        have = len(self.origin)
        if count <= have:
            return self.origin[:count]
        return np.concatenate((self.origin, self.output(count - have)))

    # -- ending -------------------------------------------------------------------------------------------

    def _relimit(self) -> None:
        limit = _AT_ONCE if self.to_finish else min(self.max_new, self.stop_at)
        self.table.lines[LIMIT][self.index] = limit
        self.table.lines[MAX_NEW][self.index] = self.max_new
        self.table.lines[STOP][self.index] = len(self.origin) + self.stop_at - 1
        self.table.lines[PROMPT][self.index] = len(self.origin)

    def clamp_max_new(self, most: int) -> None:
        """Lower the asked output length to what fits."""
        self.max_new = min(self.max_new, most)
        self._relimit()

    def finish_later(self, reason: Finish) -> None:
        """Wish it to stop; the next finish test carries it out."""
        self.to_finish = reason
        self._relimit()

    def abort_before_start(self, message: str) -> None:
        """Refused on arrival: it still runs a prefill of one token, then ends as aborted."""
        self.origin = np.zeros(1, dtype=np.int64)
        self.finish_later(Finish("abort", message))

    def check_finished(self, new: int = 1) -> bool:
        """Test for an end after `new` tokens were appended; whether it has ended."""
        if self.finish is None:
            out = self.out
            if self.to_finish is not None:
                self.finish, self.to_finish = self.to_finish, None
            elif out >= self.max_new:
                self.finish = Finish("length")
                self.finished_len = self.max_new
            elif out - new < self.stop_at <= out:
                self.finish = Finish("stop")
                self.finished_len = self.stop_at
            if self.finish is not None:
                self.table.lines[GONE][self.index] |= FINISHED
        return self.finish is not None

    def mark_freed(self) -> None:
        """Its KV is somebody else's business now; `uncached` skips it."""
        self.freed = True
        self.counted = False

    def cut_output(self, length: int) -> None:
        """Drop the tokens beyond `length`."""
        self.out = min(self.out, length)

    def reset_for_retract(self, *, forget_protected: bool) -> None:
        """Forget all memory; the output stays. 0.5.10 leaves p as it was, until the next match sets it."""
        self.retractions += 1
        self.prefix = self.prefix[:0]
        self.last_node = None
        self.mark = None
        self.extend_len = 0
        self.is_retracted = True
        self.chunks_pending = 0
        self.committed = self.allocated = self.evicted = 0
        if forget_protected:
            self.protected = 0
        self.freed = False
        self.extend_steps = self.decode_steps = 0
        if self.state is not None:
            self.state = StateNames()
