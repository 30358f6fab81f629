"""The engine that is ours: the model of a release, one operation at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sim.config import RunConfig
from sim.engines.layout import Layout
from sim.engines.model_layout import layout_of
from sim.engines.past import Past
from sim.engines.protocol import (
    EngineCrash,
    Progress,
    Request,
    RetractHow,
    SessionState,
    Snapshot,
    State,
    StepReport,
)
from sim.scheduler.batch import Batch
from sim.scheduler.core import Happenings, Scheduler
from sim.scheduler.planning import next_batch, retract_now
from sim.scheduler.release import Release
from sim.scheduler.request import Req
from sim.scheduler.results import launched, process
from sim.world import Ints


class ModelEngine:
    """Drives a `Scheduler`."""

    def __init__(self, config: RunConfig, release: Release) -> None:
        self.config = config
        self.release = release
        self.scheduler = Scheduler(config, release)
        self._live: dict[str, Req] = {}
        self._past = Past()
        self._quiet = 0
        self.alarm: tuple[str, str] | None = None
        self._pending = Happenings()

    # -- operations ---------------------------------------------------------------------------------------

    def advance(self, now: float) -> tuple[str, ...]:
        """Set the clock; reap if a second has passed."""
        scheduler = self.scheduler
        scheduler.now = now
        controller = scheduler.controller
        if not controller.due(now):
            return ()
        self._begin_reap()
        controller.reap(now)
        closed, controller.closed = tuple(controller.closed), []
        if closed:
            self._touched()
        return closed

    def _begin_reap(self) -> None:
        """Postings of a reaper pass belong to the event that comes next."""
        at = self.scheduler.memory.ledger.context
        at.event += 1
        at.time, at.op, at.request, at.session = self.scheduler.now, "reap", None, None

    def _touched(self) -> None:
        """Something came from outside: the loop is not quiet, and what was computed of the state is stale."""
        self._quiet = 0
        self.scheduler.view.changed()

    def open(self, session: str, timeout: float | None = None) -> bool:
        """Open a streaming session."""
        self._touched()
        if (
            self.release.reserve.gated
            and self.config.scheduler.session_gate
            and self.config.scheduler.spec_v2
        ):
            return False
        return self.scheduler.controller.open(session, timeout, self.scheduler.now)

    def submit(self, request: Request) -> None:
        """Queue a request."""
        self._touched()
        self._live[request.rid] = self.scheduler.submit(request)
        self._collect()

    def abort(self, rid: str) -> None:
        """Abort by prefix."""
        self._touched()
        self.scheduler.abort(rid)
        self._collect()

    def close(self, session: str) -> None:
        """Close a session."""
        self._touched()
        self.scheduler.controller.close(session)
        self.scheduler.controller.closed.clear()

    def expire(self, session: str) -> None:
        """Let a session's time-out have passed."""
        self._touched()
        self.scheduler.controller.expire(session, self.scheduler.now)

    def retract(self, rids: Sequence[str] | None, how: RetractHow) -> None:
        """Retract running requests."""
        self._touched()
        scheduler = self.scheduler
        names = None if rids is None else list(rids)
        if how == "memory":
            scheduler.forced = names if names is not None else [r.rid for r in scheduler.running.reqs]
            return
        if scheduler.results and scheduler.last is not None:
            process(scheduler, scheduler.results.popleft())
        retract_now(scheduler, names)
        self._collect()

    def refuse(self, rid: str, times: int) -> None:
        """Let the next admission attempts find no memory."""
        self.scheduler.refusals[rid] = times

    def step(self) -> StepReport:
        """One iteration."""
        scheduler = self.scheduler
        scheduler.iteration += 1
        scheduler.view.changed()
        was_empty = scheduler.last is None
        batch, prefilled = next_batch(scheduler)
        scheduler.current = batch
        check = self._overlapped(batch) if self.config.scheduler.overlap else self._plain(batch)
        if scheduler.last is not batch:
            scheduler.last = batch
            scheduler.view.changed()
        if batch is not None:
            check = self._busy_check()
        progressed = batch is not None or not was_empty
        self._quiet = 0 if progressed else self._quiet + 1
        return self._report(batch, prefilled, check, progressed)

    # -- the loop -----------------------------------------------------------------------------------------

    def _plain(self, batch: Batch | None) -> str | None:
        scheduler = self.scheduler
        if batch is None:
            return self._idle_check()
        process(scheduler, launched(scheduler, batch, self._run(batch)))
        return None

    def _overlapped(self, batch: Batch | None) -> str | None:
        scheduler = self.scheduler
        last = scheduler.last
        at_once = (
            not self.config.scheduler.consecutive_prefill_overlap
            and batch is not None and batch.is_extend and last is not None and last.is_extend
        )  # fmt: skip
        if at_once:
            process(scheduler, scheduler.results.popleft())
        if batch is not None:
            scheduler.results.append(launched(scheduler, batch, self._run(batch)))
        if last is not None:
            if not at_once:
                process(scheduler, scheduler.results.popleft())
        elif batch is None:
            return self._idle_check()
        return None

    def _run(self, batch: Batch) -> Ints | None:
        """The forward pass; under speculation what each request accepted."""
        scheduler = self.scheduler
        scheduler.forward_count += 1
        if scheduler.speculation is None or batch.mode != "decode":
            return None
        if self.config.scheduler.overlap:
            return scheduler.speculation.launch(batch)
        return scheduler.speculation.round_v1(batch)

    # -- the release's own checks -------------------------------------------------------------------------

    def _busy_check(self) -> str | None:
        knobs = self.config.scheduler
        topk = knobs.speculative.topk if knobs.speculative else 1
        if knobs.busy_check < 1 or topk > 1:
            return None
        return self._alarm("busy check", self.release.checks.busy(self.scheduler.view))

    def _idle_check(self) -> str | None:
        scheduler, checks = self.scheduler, self.release.checks
        if checks.idle_needs_empty_queue and not self._fully_idle():
            return None
        message = self._alarm("idle check", checks.idle(scheduler.view))
        scheduler.ratio = self.release.ratio.start(self.config.scheduler.conservativeness)
        return message

    def _alarm(self, which: str, message: str | None) -> str | None:
        """A check of the release failed: note it, or die of it as the release would."""
        if message is not None:
            self.alarm = (which, message)
            if self.config.scheduler.idle_check == "raise":
                raise EngineCrash("AssertionError" if which == "busy check" else "ValueError", message)
        return message

    def _fully_idle(self) -> bool:
        scheduler = self.scheduler
        return not (
            scheduler.running.reqs or scheduler.chunked is not None or scheduler.results or scheduler.waiting
            or (scheduler.last is not None and scheduler.last.reqs)
        )  # fmt: skip

    # -- what is asked of it ------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Remember what happened between iterations for the next report."""
        happened = self.scheduler.take_happenings()
        self._settle(happened.finished, "finished")
        self._settle(happened.aborted, "aborted")
        pending = self._pending
        pending.finished += happened.finished
        pending.aborted += happened.aborted
        pending.retracted += happened.retracted
        pending.refused += happened.refused

    def _report(self, batch: Batch | None, prefilled: int, check: str | None, progressed: bool) -> StepReport:
        scheduler = self.scheduler
        pending = self._pending
        if pending.finished or pending.aborted or pending.retracted:
            happened = scheduler.happened
            scheduler.happened = Happenings(
                pending.finished + happened.finished, pending.aborted + happened.aborted,
                pending.retracted + happened.retracted, pending.refused + happened.refused,
            )  # fmt: skip
            self._pending = Happenings()
        report = scheduler.report(batch, prefilled, check, progressed)
        if report.finished or report.aborted:
            self._settle(report.finished, "finished")
            self._settle(report.aborted, "aborted")
        return report

    def _settle(self, rids: Sequence[str], state: State) -> None:
        for rid in rids:
            req = self._live.pop(rid, None)
            if req is not None:
                self._past.note(rid, Progress(state, req.prompt_len, req.out))

    def progress(self, rid: str) -> Progress:
        """How far a request has come."""
        req = self._live.get(rid)
        if req is None:
            return self._past.of(rid)
        state: State = "prefill"
        if req in self.scheduler.waiting:
            state = "queued"
        elif req.out or req.chunks_pending == 0:
            state = "decode"
        return Progress(state, req.prompt_len, req.out)

    @property
    def idle(self) -> bool:
        """Two iterations in a row did nothing."""
        return self._quiet >= 2

    @property
    def waiting(self) -> int:
        """Requests in the queue, and the one whose prompt is parked half-way."""
        return len(self.scheduler.waiting) + (self.scheduler.parked is not None)

    @property
    def running(self) -> int:
        """Requests in the running batch and in the last one."""
        scheduler = self.scheduler
        count = len(scheduler.running.reqs)
        if scheduler.last is not None and scheduler.last is not scheduler.running:
            count += len(scheduler.last.reqs)
        return count

    def next_reap(self) -> float | None:
        """When the reaper could next find something to do."""
        return self.scheduler.controller.next_reap()

    def snapshot(self, *, of: Collection[str] | None = None) -> Snapshot:
        """The state between two operations."""
        scheduler = self.scheduler
        last, sessions = scheduler.last, scheduler.controller.sessions
        return Snapshot(
            pools=dict(scheduler.view.books()) if of is None else {},
            free_rows=len(scheduler.memory.rows.free),
            waiting=tuple(r.rid for r in scheduler.waiting),
            running=tuple(r.rid for r in scheduler.running.reqs),
            chunked=scheduler.chunked.rid if scheduler.chunked else None,
            last_batch=tuple(r.rid for r in last.reqs) if last is not None else None,
            sessions=tuple(self._session_state(name) for name in (sessions if of is None else of) if name in sessions),
        )

    def layout(self, *, counting: bool = False) -> Layout:
        """The memory, index by index."""
        return layout_of(self.scheduler, counting=counting)

    def _session_state(self, name: str) -> SessionState:
        session = self.scheduler.controller.sessions[name]
        slot = self.scheduler.cache.slots.get(name)
        history = session.history_len
        if slot is None:
            return SessionState(name, None, 0, 0, 0, 0, history, session.inflight, session.close_on_finish)
        return SessionState(
            name, slot.row, slot.committed, slot.allocated, slot.protected, slot.evicted,
            history, session.inflight, session.close_on_finish, slot.state.all if slot.state else (),
        )  # fmt: skip
