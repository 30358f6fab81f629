"""The scheduler: its state, and one iteration of its event loop.

normal:   receive │ choose k │ run k │ process k │ check
overlap:  receive │ choose k │ launch k │ process k − 1 │ check            k's result waits for iteration k + 1
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from sim.config import RunConfig
from sim.engines.protocol import Request, StepReport
from sim.ledger.conversations import Conversations
from sim.ledger.findings import Misread
from sim.scheduler.arrival import Arrivals, default_priority
from sim.scheduler.batch import Batch
from sim.scheduler.caches import prefix_cache
from sim.scheduler.controller import SessionController
from sim.scheduler.forward import Forward
from sim.scheduler.memory import Memory
from sim.scheduler.ordering import OrderContext
from sim.scheduler.release import QueueOrder, Release
from sim.scheduler.release_kv import ReleaseKV
from sim.scheduler.request import Finish, Req
from sim.scheduler.results import Launched
from sim.scheduler.retract import Retractor
from sim.scheduler.selfcheck import View
from sim.scheduler.session import Session
from sim.scheduler.speculation import Speculation
from sim.scheduler.streaming import StreamingCache
from sim.scheduler.table import ReqTable
from sim.scheduler.window import Window
from sim.world import Ints

_KINDS: dict[str, Literal["prefill", "decode", "mixed"]] = {
    "extend": "prefill",
    "mixed": "mixed",
    "decode": "decode",
}


@dataclass(slots=True)
class Happenings:
    """What befell requests during one iteration (or between two)."""

    finished: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    retracted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing happened."""
        return not (self.finished or self.aborted or self.retracted or self.refused)


class Scheduler:
    """State that the parts of the loop share."""

    def __init__(self, config: RunConfig, release: Release) -> None:
        self.config = config
        self.knobs = config.scheduler
        self.release = release
        self.memory = Memory(config, release)
        self.table = ReqTable(self._roots)
        self.forward = Forward(self.memory, self.table)
        self.cache = StreamingCache(self.memory, prefix_cache(self.memory))
        self.conversations = Conversations()
        self.controller = SessionController(
            self.cache, self.row_in_use, lambda session: self.conversations.forget(session.tag)
        )
        self.arrivals = Arrivals(
            config, self.memory, self.table, self.controller, self.enqueue, self._history_differs
        )
        self.release_kv = ReleaseKV(
            self.memory, self.cache, self.forward, speculative=self.knobs.speculative is not None
        )
        self.retractor = Retractor(self.memory, self.knobs, self.release_kv)
        spec = self.knobs.speculative
        self.window = Window(self.memory, self.table, self.knobs) if self.memory.swa is not None else None
        self.speculation = Speculation(self.memory, self.table, self.forward, spec, self.window) if spec else None
        self.order = self._queue_order()
        self.order_context = OrderContext(
            self.memory.tree,
            self.knobs.priority,
            1 if self.knobs.low_priority_first else -1,
            Random(config.seed),
            notes_branching=release.base != "0.5.10",
        )
        self.view = View(self)

        self.now = 0.0
        self.waiting: list[Req] = []
        self.running = Batch([])
        self.current: Batch | None = None
        self.last: Batch | None = None
        self.chunked: Req | None = None
        self.results: deque[Launched] = deque()
        self.forward_count = 0
        self.iteration = 0
        self.endings = 0
        self.ratio = release.ratio.start(self.knobs.conservativeness)
        self.refusals: dict[str, int] = {}
        self.forced: list[str] | None = None
        self.short: str | None = None
        self.happened = Happenings()
        self._queued = 0
        self._requests: dict[str, Req] = {}

    def _queue_order(self) -> QueueOrder:
        order = self.release.order or self.release.orders[self.knobs.policy]()
        if order.cache_aware and (self.memory.tree.disabled or self.memory.chunk_cache):
            return self.release.orders["fcfs"]()
        return order

    def _roots(self) -> Iterator[Req]:
        yield from self.waiting
        for batch in (self.running, self.current, self.last):
            if batch is not None:
                yield from batch.reqs
                yield from batch.decoding or ()
        for launched in self.results:
            yield from launched.reqs
        if self.chunked is not None:
            yield self.chunked
        for session in self.controller.sessions.values():
            if session.node is not None:
                yield session.node

    @property
    def parked(self) -> Req | None:
        """The request whose split prompt is in no batch: it found too little memory to go on."""
        chunked, last = self.chunked, self.last
        if chunked is None or (last is not None and any(req is chunked for req in last.reqs)):
            return None
        return chunked

    # -- the queue ----------------------------------------------------------------------------------------

    def submit(self, spec: Request) -> Req:
        """A request arrives."""
        return self.arrivals.take(spec, self.now)

    def enqueue(self, req: Req) -> None:
        """Append to the queue, also when it comes back from a retract."""
        knobs = self.knobs
        if knobs.priority and req.priority is None:
            req.priority = default_priority(knobs.low_priority_first)
        if knobs.max_queued is not None and len(self.waiting) + 1 > knobs.max_queued:
            unlucky = self._least_wanted(req)
            self.gone(unlucky)
            self.forgotten(unlucky)
            if unlucky is req:
                return
            self.waiting.remove(unlucky)
        self._queued += 1
        req.queued_at = self._queued
        req.arrived = self.now
        self.waiting.append(req)

    def _least_wanted(self, req: Req) -> Req:
        if not self.knobs.priority:
            return req
        direction = 1 if self.knobs.low_priority_first else -1
        candidate = max(self.waiting, key=lambda r: (direction * (r.priority or 0), r.queued_at))
        better = direction * (req.priority or 0) < direction * (candidate.priority or 0)
        return candidate if better else req

    def forgotten(self, req: Req) -> None:
        """A request leaves the queue without a release: a state that was copied for it is named by nobody."""
        names = req.state
        if self.memory.states is not None and names is not None and names.slot is not None and req.row is None:
            self.memory.ledger.about(req.rid, req.session.name if req.session else None)
            self.memory.states.lose([names.slot], req.tag, f"request {req.rid} left the queue")

    def gone(self, req: Req) -> None:
        """The client is told that a request will not go on."""
        self.happened.aborted.append(req.rid)

    def abort(self, rid: str) -> None:
        """Abort by prefix: queued requests leave at once, running ones run one more step."""
        for req in [r for r in reversed(self.waiting) if r.rid.startswith(rid)]:
            self.waiting.remove(req)
            self.gone(req)
            if req.state is not None and req.state.slot is not None:
                self.release_kv(req, insert=False)
        reqs = list(self.running.reqs)
        if self.current is not None and self.current is not self.running:
            reqs += self.current.reqs
        for req in reqs:
            if not req.finished and req.rid.startswith(rid):
                req.finish_later(Finish("abort"))

    # -- ending -------------------------------------------------------------------------------------------

    def ended(self, req: Req) -> None:
        """A request has a finish reason: release it and tell the client."""
        self.endings += 1
        self.release_kv(req, insert=True)
        assert req.finish is not None
        if not req.finish.aborted:
            counts = req.out if req.finished_len is None else req.finished_len
            self.conversations.ended(req.tag, req.tokens(req.prompt_len + counts))
        (self.happened.aborted if req.finish.aborted else self.happened.finished).append(req.rid)

    def _history_differs(self, rid: str, session: Session, history: Ints) -> None:
        """A turn is made from this history: note it if the conversation was another."""
        surplus = self.conversations.surplus(session.tag, history)
        if surplus is not None:
            what = (
                f"turn {rid} is made from a history of {len(history)} tokens, but session {session.name} has said "
                f"{len(history) - surplus}: what was aborted, refused or retracted is no part of a conversation"
            )
            self.forward.note(Misread(rid, session.name, what, surplus or 1, (), "INV-11"))

    def row_in_use(self, row: int) -> bool:
        """Whether a live request works on this row."""
        batches = (self.running, self.last, self.current)
        reqs = [r for batch in batches if batch is not None for r in batch.reqs]
        if self.chunked is not None:
            reqs.append(self.chunked)
        return any(r.row == row and not r.finished for r in reqs)

    def take_happenings(self) -> Happenings:
        """What befell requests since the last call."""
        happened = self.happened
        if not happened.empty:
            self.happened = Happenings()
        return happened

    def report(self, batch: Batch | None, prefilled: int, check: str | None, progressed: bool) -> StepReport:
        """The iteration in one record."""
        if batch is None:
            size = decodes = 0
            kind: Literal["prefill", "decode", "mixed", "idle"] = "idle"
        else:
            size = len(batch.reqs)
            kind = _KINDS[batch.mode]
            decodes = size if kind == "decode" else len(batch.decoding or ())
        if self.happened.empty:
            return StepReport(
                self.iteration, kind, size, prefilled, decodes, (), (), (), (), check, progressed
            )
        happened = self.take_happenings()
        return StepReport(
            self.iteration, kind, size, prefilled, decodes,
            tuple(happened.finished), tuple(happened.aborted), tuple(happened.retracted), tuple(happened.refused),
            check, progressed,
        )  # fmt: skip
