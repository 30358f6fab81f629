"""Counts what happens inside the model while a case is played on it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sim.cases.hooks import hook
from sim.cases.kinds import kind_of
from sim.cases.pool_watch import StateWatch, WindowWatch, died_for_states
from sim.engines.model import ModelEngine
from sim.engines.protocol import StepReport
from sim.operations import Abort, Close, Retract, Submit
from sim.scheduler.request import Req
from sim.scheduler.retract import OUT_OF_MEMORY
from sim.scheduler.session import VirtualNode

_BEFORE_START = (
    ("Input length", "prompt too long"),
    ("Invalid request: close was requested", "turn of a closing session"),
    ("Invalid request: session id", "turn of no session"),
)


class Watch:
    """Hooks on one engine; it changes nothing."""

    def __init__(self, engine: ModelEngine) -> None:
        self.operations: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self._engine = engine
        self._scheduler = engine.scheduler
        self._knobs = engine.config.scheduler
        self._what: Any = None
        self._silent: set[str] = set()
        self._waiting: set[str] = set()
        self._already: list[str] = []
        self._forced = False
        hook(engine.scheduler, "ended", before=self._ended)
        hook(engine.scheduler, "gone", before=self._gone)
        hook(engine.scheduler.cache, "match", after=self._matched)
        hook(engine.scheduler.memory.tree, "evict", result=self._evicted)
        hook(engine.scheduler.memory.tree, "_split", result=lambda _: self._count("node split"))
        memory = engine.scheduler.memory
        if memory.swa is not None:
            WindowWatch(engine.scheduler, self._count)
        self._states = StateWatch(engine.scheduler, self._count) if memory.states is not None else None

    def _count(self, event: str) -> None:
        self.events[event] += 1

    # -- around an operation ------------------------------------------------------------------------------

    def before(self, time: float, what: Any) -> None:
        """An operation is about to be done."""
        self.operations[kind_of(what)] += 1
        self._what = what
        sessions = self._scheduler.controller.sessions
        self._already = list(self._engine._pending.retracted)
        before, self._silent = self._silent, {n for n, session in sessions.items() if session.timed_out(time)}
        if any(self._live_turn(name) for name in self._silent - before):
            self._count("time-out in flight")
        if isinstance(what, str):
            self._waiting = {req.rid for req in self._scheduler.waiting}
            self._forced = self._scheduler.forced is not None
        elif isinstance(what, Submit) and what.session is not None and self._live_turn(what.session):
            self._count("concurrent turn")
        elif isinstance(what, Close) and self._live_turn(what.session):
            self._count("close in flight")
        elif isinstance(what, Abort):
            self._abort(what.request)

    def after(self, answer: tuple[tuple[str, ...], Any]) -> None:
        """It has been done."""
        closed, report = answer
        for name in closed:
            self._count("session time-out" if name in self._silent else "close carried out later")
        if report is not None:
            self._stepped(StepReport(*report))
        elif isinstance(self._what, Submit):
            self._submitted()
        elif isinstance(self._what, Retract) and self._what.how == "pause":
            self.events["forced retract, paused"] += len(self._engine._pending.retracted) - len(self._already)

    def died(self, error: Exception) -> None:
        """An operation raised; the case ends there."""
        self._count("crash")
        if died_for_states(error):
            self._count("out of states")

    def victims(self, report: StepReport) -> int:
        """How many requests this iteration preempted."""
        return len(report.retracted) - len(self._already) if report.kind in ("prefill", "mixed") else 0

    # -- what is seen -------------------------------------------------------------------------------------

    def _live_turn(self, name: str) -> bool:
        scheduler = self._scheduler
        batches = [b.reqs for b in (scheduler.running, scheduler.last) if b is not None]
        reqs = [*scheduler.waiting, *(r for reqs in batches for r in reqs), scheduler.chunked]
        return any(
            r is not None and not r.finished and r.session is not None and r.session.name == name for r in reqs
        )

    def _abort(self, prefix: str) -> None:
        scheduler = self._scheduler
        batches = [b.reqs for b in (scheduler.running, scheduler.current) if b is not None]
        running = {id(r): r for reqs in batches for r in reqs}
        if any(not r.finished and r.rid.startswith(prefix) for r in running.values()):
            self._count("abort running")

    def _submitted(self) -> None:
        req = next((r for r in reversed(self._scheduler.waiting) if r.rid == self._what.request), None)
        if req is not None and req.to_finish is not None:
            self._count("abort before start")
            for start, event in _BEFORE_START:
                if req.to_finish.message.startswith(start):
                    self._count(event)

    def _stepped(self, report: StepReport) -> None:
        self._count(report.kind)
        scheduler = self._scheduler
        self.events["refused admission"] += len(report.refused)
        if report.release_check is not None:
            self._count("idle check" if report.kind == "idle" else "busy check")
        if scheduler.chunked is not None:
            self._count("split prompt")
            if scheduler.memory.swa is not None and scheduler.parked is not None:
                self._count("parked chunk")
        if self._states is not None:
            self._states.stepped(report)
        running = scheduler.running
        if running.full and scheduler.waiting and not report.refused and len(running.reqs) < self._knobs.max_running:
            self._count("admission without room")
        retracted = len(report.retracted) - len(self._already)
        if self.victims(report):
            self.events["preemption"] += retracted
        elif retracted:
            test = self._knobs.test_retract
            tested = test is not None and scheduler.forward_count % test.interval in (0, 1)
            kind = "forced retract, decoding" if self._forced else "test retract" if tested else "real retract"
            self.events[kind] += retracted

    def _ended(self, req: Req, *_: Any) -> None:
        finish = req.finish
        assert finish is not None
        if finish.aborted:
            if finish.message.startswith("Request running timeout"):
                self._count("running time-out")
            return
        self._count("finish by length" if finish.kind == "length" else "finish by stop token")
        if req.finished_len is not None and req.committed > req.prompt_len + req.finished_len:
            self._count("overshoot")

    def _gone(self, req: Req, *_: Any) -> None:
        if isinstance(self._what, Abort):
            self._count("abort in queue")
        elif req.to_finish is OUT_OF_MEMORY:
            self._count("abort for want of memory")
        elif isinstance(self._what, str) and req.rid in self._waiting and self._knobs.waiting_timeout is not None:
            self._count("waiting time-out")
        else:
            self._count("queue full")

    def _matched(self, req: Req, *_: Any) -> None:
        if isinstance(req.last_node, VirtualNode):
            self._count("borrow")
        elif len(req.prefix):
            self._count("shared prefix")

    def _evicted(self, freed: int) -> None:
        if freed:
            self._count("eviction")
