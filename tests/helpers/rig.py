"""The model and its auditor under one roof, driven one operation at a time: what most tests of the core need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.releases import compose
from sim.config import MambaConfig, PoolConfig, RunConfig, SchedulerConfig, SwaConfig
from sim.driver import Driver
from sim.engines.model import ModelEngine
from sim.engines.protocol import Request, RetractHow, StepReport, Terms
from sim.ledger.auditor import Auditor
from sim.ledger.verdicts import Verdict
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract, Submit
from sim.world import Segment

TICK = 0.01


def request_of(rid: str, prompt: int, output: int, session: str | None = None, **more: Any) -> Request:
    """A request whose prompt is text of its own."""
    return Request(rid=rid, prompt=(Segment(name=rid, length=prompt),), max_new=output, session=session, **more)


class Rig:
    """One engine with an auditor; every call is one event."""

    def __init__(
        self, release: str = "sglang-0.5.11", *, revert: Sequence[int] = (), add: Sequence[int] = (),
        decide: Mapping[str, str] | None = None, tokens: int = 1000, page_size: int = 1, rows: int = 8,
        context: int = 512, seed: int = 0, audit: Any = "event", swa: SwaConfig | None = None,
        mamba: MambaConfig | None = None, **scheduler: Any,
    ) -> None:  # fmt: skip
        knobs = {"max_running": 8, "session_gate": False, **scheduler}
        pool = PoolConfig(tokens=tokens, page_size=page_size, rows=rows, context=context, swa=swa, mamba=mamba)
        config = RunConfig(pool=pool, scheduler=SchedulerConfig(**knobs), seed=seed, audit=audit)
        self.engine = ModelEngine(config, compose(release, revert=revert, add=add, decide=decide))
        self.auditor = Auditor(self.engine)
        self.driver = Driver(self.engine, self.auditor)
        self.reports: list[StepReport] = []

    # -- operations ---------------------------------------------------------------------------------------

    def open(self, session: str, timeout: float | None = None) -> None:
        """Open a session."""
        self.driver.do(Open(session=session, timeout=timeout))

    def send(self, rid: str, prompt: int, output: int, **more: Any) -> None:
        """Submit an ordinary request."""
        self.driver.do(Submit(what=request_of(rid, prompt, output, **more)))

    def turn(self, rid: str, prompt: int, output: int, **more: Any) -> None:
        """Submit a turn; its session is what stands before the stroke: a/1."""
        self.send(rid, prompt, output, session=rid.split("/")[0], **more)

    def submit(self, request: Request) -> None:
        """Submit a request made elsewhere."""
        self.driver.do(Submit(what=request))

    def abort(self, rid: str) -> None:
        """Abort by prefix."""
        self.driver.do(Abort(request=rid))

    def close(self, session: str) -> None:
        """Close a session."""
        self.driver.do(Close(session=session))

    def expire(self, session: str) -> None:
        """Let its time-out have passed."""
        self.driver.do(Expire(session=session))

    def retract(self, *rids: str, how: RetractHow = "pause") -> None:
        """Retract these, or everything."""
        self.driver.do(Retract(rids=rids or None, how=how))

    def refuse(self, rid: str, times: int = 1) -> None:
        """Let the next admission attempts find no memory."""
        self.driver.do(Refuse(request=rid, times=times))

    def advance(self, now: float) -> tuple[str, ...]:
        """Set the clock, reap."""
        return self.driver.advance(now)

    def step(self, count: int = 1) -> StepReport:
        """Iterations; the last one's report."""
        for _ in range(count):
            self.reports.append(self.driver.step())
        return self.reports[-1]

    def drain(self, most: int = 400) -> None:
        """Iterate until nothing moves any more."""
        for _ in range(most):
            self.step()
            if self.engine.idle:
                return
        raise AssertionError(f"still busy after {most} iterations")

    def run_turn(self, rid: str, prompt: int, output: int, **more: Any) -> None:
        """A turn from its arrival to its end."""
        self.turn(rid, prompt, output, **more)
        self.drain()

    # -- what is asked of it ------------------------------------------------------------------------------

    @property
    def event(self) -> int:
        """The number of the last event."""
        return self.driver.event

    @property
    def terms(self) -> Terms:
        """The books of the full pool."""
        return self.engine.snapshot().pools["full"]

    @property
    def verdicts(self) -> list[Verdict]:
        """All that the auditor has found."""
        return self.auditor.verdicts

    @property
    def kinds(self) -> list[str]:
        """The kinds of these verdicts, in order."""
        return [v.verdict for v in self.verdicts]

    def request(self, rid: str) -> Any:
        """The live request of this name, wherever it is."""
        scheduler = self.engine.scheduler
        batches = [b.reqs for b in (scheduler.running, scheduler.last, scheduler.current) if b is not None]
        chunked = [scheduler.chunked] if scheduler.chunked is not None else []
        everyone = [*(r for reqs in batches for r in reqs), *scheduler.waiting, *chunked]
        return next(r for r in everyone if r.rid == rid)

    def slot(self, session: str) -> Any:
        """What the session holds between turns."""
        return self.engine.scheduler.cache.slots[session]
