"""The released SGLang scheduler as an engine, in this process: one release, one operation at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import wraps
from typing import Any, Literal, TypeVar, cast

from sim.config import RunConfig
from sim.engines.layout import Layout
from sim.engines.past import Past
from sim.engines.protocol import (
    EngineCrash,
    Progress,
    Request,
    RetractHow,
    Snapshot,
    State,
    StepReport,
    Terms,
)
from sim.engines.sglang.arrivals import known, message
from sim.engines.sglang.checks import Checks
from sim.engines.sglang.crash import crash_of
from sim.engines.sglang.draft_tree import SpeculativeV1
from sim.engines.sglang.forward import Forward, text
from sim.engines.sglang.host import host_of
from sim.engines.sglang.interventions import expire, force, pause_all, pause_named
from sim.engines.sglang.loop import Loop
from sim.engines.sglang.reaper import Reaper
from sim.engines.sglang.snapshots import layout_of, parked, snapshot_of
from sim.engines.sglang.speculation import SpeculativeV2
from sim.engines.sglang.terms import Books
from sim.world import Ints

F = TypeVar("F", bound=Callable[..., Any])


def _guarded(operation: F) -> F:
    """With this engine's settings in force; what the release raises is a crash of the release."""

    @wraps(operation)
    def guarded(self: RealEngine, *args: Any, **kwargs: Any) -> Any:
        if self._host.master is not self.scheduler:
            self._host.take_over(self.scheduler)
            self._host.clock.set(self._now)
        try:
            return operation(self, *args, **kwargs)
        except EngineCrash:
            raise
        except Exception as error:
            crash = crash_of(error)
            if crash is None:
                raise
            raise crash from error

    return cast(F, guarded)


class RealEngine:
    """Drives the scheduler of the release that `modules` are."""

    def __init__(self, modules: Any, config: RunConfig) -> None:
        self.modules = modules
        self.config = config
        self._host = host_of(modules)
        self.scheduler = self._host.make(config)
        self.alarm: tuple[str, str] | None = None
        self.iteration = 0
        self.canary: Any = None
        self._events = self.scheduler.listener
        self._checks = Checks(modules, self.scheduler, config.scheduler.busy_check)
        self._books = Books(modules, self.scheduler)
        knobs = config.scheduler
        passes = SpeculativeV2 if knobs.spec_v2 else SpeculativeV1 if knobs.spec_v1 else Forward
        self._loop = Loop(self.scheduler, self._checks, passes(self).run)
        self._reaper = Reaper(self.scheduler.session_controller)
        self._live: dict[str, Any] = {}
        self._past = Past()
        self._quiet = 0
        self._now = 0.0

    # -- operations ---------------------------------------------------------------------------------------

    @_guarded
    def advance(self, now: float) -> tuple[str, ...]:
        """Set the clock; reap if a second has passed."""
        self._now = now
        self._host.clock.set(now)
        if not self._reaper.due(now):
            return ()
        closed = self._reaper.reap(now)
        if closed:
            self._quiet = 0
        return closed

    @_guarded
    def open(self, session: str, timeout: float | None = None) -> bool:
        """Open a streaming session."""
        self._quiet = 0
        knobs = self.config.scheduler
        if self.modules.gated and knobs.session_gate and knobs.spec_v2:
            # Refused where the message is received (before 22651), before the scheduler sees it.
            return False
        request = self.modules.io.OpenSessionReqInput(
            capacity_of_str_len=1 << 20, session_id=session, streaming=True, timeout=timeout
        )
        opened = bool(self.scheduler.open_session(request).success)
        if opened:
            self._reaper.opened(session)
        return opened

    @_guarded
    def submit(self, request: Request) -> None:
        """Queue a request."""
        self._quiet = 0
        self._events.arrived = None
        self.scheduler.handle_generate_request(message(self.modules, self.config, request))
        req = self._events.arrived
        req.known = known(request, self.config.seed)
        self._live[request.rid] = req
        self._settle()

    @_guarded
    def abort(self, rid: str) -> None:
        """Abort by prefix."""
        self._quiet = 0
        self.scheduler.abort_request(self.modules.io.AbortReq(rid=rid))
        self._settle()

    @_guarded
    def close(self, session: str) -> None:
        """Close a session."""
        self._quiet = 0
        self.scheduler.close_session(self.modules.io.CloseSessionReqInput(session_id=session))
        self._reaper.closed(session)

    @_guarded
    def expire(self, session: str) -> None:
        """Let a session's time-out have passed."""
        self._quiet = 0
        if expire(self.scheduler, session, self._now):
            self._reaper.opened(session)

    @_guarded
    def retract(self, rids: Sequence[str] | None, how: RetractHow) -> None:
        """Retract running requests."""
        self._quiet = 0
        scheduler = self.scheduler
        if how == "memory":
            names = [req.rid for req in scheduler.running_batch.reqs] if rids is None else list(rids)
            force(scheduler, names, self.config.scheduler.retract_steps)
        elif rids is None:
            pause_all(self.modules, scheduler)
        else:
            pause_named(scheduler, rids, self._loop.process_oldest)
        self._settle()

    def refuse(self, rid: str, times: int) -> None:
        """Let the next admission attempts find no memory."""
        self._events.refusals[rid] = times

    @_guarded
    def step(self) -> StepReport:
        """One iteration."""
        scheduler = self.scheduler
        self.iteration += 1
        was_empty = scheduler.last_batch is None
        batch, message = self._loop.once()
        check = None if message is None else self._alarm("idle check", "ValueError", message)
        if batch is not None:
            message = self._checks.busy()
            check = None if message is None else self._alarm("busy check", "AssertionError", message)
        progressed = batch is not None or not was_empty
        self._quiet = 0 if progressed else self._quiet + 1
        return self._report(batch, check, progressed)

    def _alarm(self, which: str, kind: str, message: str) -> str:
        """A check of the release failed: note it, or die of it as the release would."""
        self.alarm = (which, message)
        if self.config.scheduler.idle_check == "raise":
            raise EngineCrash(kind, message)
        return message

    def _report(self, batch: Any, check: str | None, progressed: bool) -> StepReport:
        kind: Literal["prefill", "decode", "mixed", "idle"] = "idle"
        size = prefilled = decodes = 0
        if batch is not None:
            size, mode = len(batch.reqs), batch.forward_mode
            if mode.is_decode():
                kind, decodes = "decode", size
            else:
                decodes = len(batch.decoding_reqs or ())
                kind = "mixed" if mode.is_mixed() else "prefill"
                prefilled = batch.extend_num_tokens - decodes
        self._settle()
        finished, aborted, retracted, refused = self._events.take()
        return StepReport(
            self.iteration, kind, size, prefilled, decodes, finished, aborted, retracted, refused, check, progressed
        )

    # -- what is asked of it ------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Remember how far those came that are gone."""
        for rids, state in zip(self._events.unsettled(), ("finished", "aborted"), strict=True):
            for rid in rids:
                req = self._live.pop(rid, None)
                if req is not None:
                    length, out = len(req.origin_input_ids), len(req.output_ids)
                    self._past.note(rid, Progress(state, length, out))  # type: ignore[arg-type]

    def progress(self, rid: str) -> Progress:
        """How far a request has come."""
        req = self._live.get(rid)
        if req is None:
            return self._past.of(rid)
        state: State = "prefill"
        if req in self.scheduler.waiting_queue:
            state = "queued"
        elif req.output_ids or req.is_chunked == 0:
            state = "decode"
        return Progress(state, len(req.origin_input_ids), len(req.output_ids))

    @property
    def idle(self) -> bool:
        """Two iterations in a row did nothing."""
        return self._quiet >= 2

    @property
    def waiting(self) -> int:
        """Requests in the queue, and the one whose prompt is parked half-way."""
        return len(self.scheduler.waiting_queue) + (parked(self.scheduler) is not None)

    @property
    def running(self) -> int:
        """Requests in the running batch and in the last one."""
        scheduler = self.scheduler
        last, running = scheduler.last_batch, scheduler.running_batch
        return len(running.reqs) + (len(last.reqs) if last is not None and last is not running else 0)

    def next_reap(self) -> float | None:
        """When the reaper could next find something to do."""
        return self._reaper.next()

    @_guarded
    def terms(self) -> dict[str, Terms]:
        """The books of each pool, by the release's own formulas."""
        return self._books.terms()

    @_guarded
    def snapshot(self, *, of: Collection[str] | None = None) -> Snapshot:
        """The state between two operations, always all of it."""
        return snapshot_of(self.scheduler, self._books.terms())

    @_guarded
    def layout(self, *, counting: bool = False) -> Layout:
        """The memory behind it, index by index; the same for `counting`."""
        return layout_of(self.scheduler)

    def text(self, req: Any, start: int, stop: int) -> Ints:
        """What stands, or will stand, at these positions of a real request: its prompt, then what the world says."""
        return text(req, start, stop)
