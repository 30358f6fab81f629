"""What is done to a real release in a process of its own: the founding bugs, and model and release in lockstep.

    python -m helpers.realflows PATH VERSION        one JSON document on stdout, by name of the flow
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from helpers.randomcase import draw_case
from helpers.randomrun import STEP, Player

from sim.config import PoolConfig, RunConfig, SchedulerConfig, SpeculativeConfig
from sim.driver import Driver, Over
from sim.engines.protocol import EngineCrash, Request
from sim.engines.sglang import boundary
from sim.engines.sglang.real import RealEngine
from sim.engines.sglang.source import Source
from sim.world import Segment

SEEDS = range(16)
NO_OVERLAP: dict[str, Any] = {"overlap": False}
SPEC_V2: dict[str, Any] = {"speculative": SpeculativeConfig(steps=3, topk=1, draft=4)}
SPEC_V1: dict[str, Any] = {**SPEC_V2, **NO_OVERLAP}


class Rig:
    """A real engine and what its checks said."""

    def __init__(self, modules: Any, *, tokens: int = 256, page: int = 1, context: int = 1024, **knobs: Any) -> None:
        pool = PoolConfig(tokens=tokens, page_size=page, rows=8, context=context)
        settings = {"max_running": 8, "session_gate": False, **knobs}
        self.engine = RealEngine(modules, RunConfig(pool=pool, scheduler=SchedulerConfig(**settings)))
        self.busy: list[str] = []
        self.steps = 0
        self.now = 0.0

    def send(self, rid: str, prompt: int, output: int, session: str | None = "A") -> None:
        """A turn of session A, or an ordinary request."""
        text = (Segment(name=rid, length=prompt),)
        request = Request(rid=rid, prompt=text, max_new=output, session=session, ignore_eos=True, accept=(2,))
        self.engine.submit(request)

    def step(self, count: int = 1) -> None:
        """Iterations."""
        for _ in range(count):
            report = self.engine.step()
            self.steps += 1
            if report.release_check is not None and report.kind != "idle":
                self.busy.append(report.release_check)

    def drain(self) -> None:
        """Until nothing waits, runs or is in flight; as the flows of the oracle count their iterations."""
        for _ in range(300):
            self.step()
            last = self.engine.scheduler.last_batch
            if last is None and not self.engine.waiting and not self.engine.scheduler.result_queue:
                return
        raise AssertionError("did not drain")

    def turn(self, rid: str, prompt: int, output: int) -> None:
        """One whole turn."""
        self.send(rid, prompt, output)
        self.drain()

    @property
    def delta(self) -> int:
        """Accounted minus total."""
        return self.engine.snapshot().pools["full"].delta

    @property
    def held(self) -> int:
        """What sessions hold."""
        return self.engine.snapshot().pools["full"].session_held

    def prompt(self, rid: str) -> int:
        """How long the whole prompt of a request is."""
        return self.engine.progress(rid).prompt


def double_count(modules: Any) -> dict[str, Any]:
    """22753: four turns."""
    rig = Rig(modules, **NO_OVERLAP)
    rig.engine.open("A")
    for t in range(4):
        rig.turn(f"r{t}", 10, 6)
    return {"failed": len(rig.busy), "steps": rig.steps, "first": rig.busy[:1], "delta": rig.delta}


def retract_tail(modules: Any, page: int, **knobs: Any) -> list[int]:
    """22862: five turns, each retracted once and tried again."""
    rig = Rig(modules, tokens=768, page=page, **knobs)
    rig.engine.open("A")
    rig.turn("r0", 10, 4)
    lost = []
    for t in range(1, 6):
        rig.send(f"r{t}", 8, 8)
        rig.step(4)
        rig.engine.retract(None, "pause")
        rig.drain()
        lost.append(rig.delta)
    rig.engine.close("A")
    return [*lost, rig.delta]


def overshoot_tail(modules: Any, page: int) -> list[int]:
    """22862: the over-allocated tail of speculative turns, four of them."""
    rig = Rig(modules, tokens=768, page=page, **SPEC_V2)
    rig.engine.open("A")
    lost = []
    for t in range(4):
        rig.turn(f"r{t}", 10, 7)
        lost.append(rig.delta)
    return lost


def aborted_turn(modules: Any, nth: int) -> dict[str, Any]:
    """22790: a turn is aborted while it runs."""
    rig = Rig(modules, **NO_OVERLAP)
    rig.engine.open("A")
    for t in range(nth - 1):
        rig.turn(f"r{t}", 10, 4)
    rig.send("rX", 12, 50)
    rig.step(4)
    rig.engine.abort("rX")
    rig.drain()
    held = rig.held
    rig.send("rY", 5, 4)
    return {"held": held, "prompt": rig.prompt("rY"), "delta": rig.delta}


def too_long(modules: Any) -> dict[str, Any]:
    """22790: a turn whose prompt is too long."""
    rig = Rig(modules, context=64, **NO_OVERLAP)
    rig.engine.open("A")
    rig.turn("r0", 10, 4)
    before = rig.held
    rig.turn("big", 70, 4)
    after, delta = rig.held, rig.delta
    rig.send("r2", 5, 4)
    return {"held": [before, after], "delta": delta, "prompt": rig.prompt("r2")}


def two_turns(modules: Any) -> dict[str, Any]:
    """22790: two turns of a session at once."""
    rig = Rig(modules, **NO_OVERLAP)
    rig.engine.open("A")
    rig.turn("r0", 10, 4)
    rig.send("a", 10, 12)
    rig.step()
    rig.send("b", 5, 12)
    return {**_to_the_end(rig), "delta": rig.delta}


def closed_in_flight(modules: Any) -> dict[str, Any]:
    """22790: a session is closed while its turn runs."""
    rig = Rig(modules, **NO_OVERLAP)
    rig.engine.open("A")
    rig.turn("r0", 10, 4)
    rig.send("a", 10, 12)
    rig.step(2)
    rig.engine.close("A")
    ended = _to_the_end(rig)
    sessions = len(rig.engine.snapshot().sessions)
    reaped = [] if ended["crash"] else rig.engine.advance(5.0)
    return {**ended, "sessions": sessions, "reaped": reaped, "delta": rig.delta}


def _to_the_end(rig: Rig) -> dict[str, Any]:
    try:
        rig.drain()
    except EngineCrash as crash:
        return {"crash": [crash.kind, crash.message], "frames": list(crash.frames)}
    return {"crash": None}


def idle_check(modules: Any) -> dict[str, Any]:
    """A slot that is lost is seen when idle: noted, or fatal."""
    told = {}
    for how in ("warn", "raise"):
        rig = Rig(modules, idle_check=how)
        rig.turn("r", 4, 2)
        allocator = rig.engine.scheduler.token_to_kv_pool_allocator
        allocator.free_pages = allocator.free_pages[:-1]
        try:
            told[how] = [rig.engine.step().release_check for _ in range(2)][-1]
        except EngineCrash as crash:
            told[how] = [crash.kind, crash.message]
    return told


def lost_row(modules: Any) -> str | None:
    """A row that is lost is seen when idle."""
    rig = Rig(modules)
    rig.engine.scheduler.req_to_token_pool.free_slots.pop()
    return rig.engine.step().release_check


def taking_turns(modules: Any) -> bool:
    """Two engines in one process, one iteration each: the same reports as one after the other."""

    def rigs() -> list[Rig]:
        made = [Rig(modules, page=1, policy="lof"), Rig(modules, page=4, tokens=128, clip_max_new_tokens=3, **SPEC_V2)]
        for rig in made:
            rig.engine.open("A")
            rig.send("a", 30, 9)
            rig.send("b", 20, 5, None)
        return made

    apart = [[rig.engine.step() for _ in range(16)] for rig in rigs()]
    one, other = rigs()
    together = [(one.engine.step(), other.engine.step()) for _ in range(16)]
    return [list(reports) for reports in zip(*together, strict=True)] == apart


def ours(modules: Any) -> str:
    """What the constructor of the release would have set is missing: no crash of the release."""
    rig = Rig(modules)
    rig.send("r", 4, 2, None)
    del rig.engine.scheduler.max_prefill_tokens
    try:
        rig.step()
    except EngineCrash as crash:
        return f"a crash: {crash}"
    except AttributeError as error:
        return str(error)
    return "nothing"


def everything(modules: Any, page: int, **knobs: Any) -> list[str]:
    """Every operation once; what the checks said, and where the books were off."""
    rig = Rig(modules, tokens=768, page=page, idle_check="raise", **knobs)
    rig.engine.open("A", 2.0)
    said = []
    for t in range(6):
        rig.send(f"a{t}", 20, 8)
        rig.send(f"r{t}", 24, 8, None)
        for n in range(120):
            rig.now += 0.1
            rig.engine.advance(rig.now)
            rig.step()
            if n == 3:
                _disturb(rig.engine, t)
            rig.engine.layout()
            if rig.delta:
                said.append(f"turn {t}, iteration {n}: {rig.delta}")
            if rig.engine.idle:
                break
    return said + rig.busy


def _disturb(engine: RealEngine, turn: int) -> None:
    match turn:
        case 1:
            engine.retract(None, "pause")
        case 2:
            engine.abort("a2")
        case 3:
            engine.retract(["r3"], "memory")
        case 4:
            engine.refuse("r4", 1)
            if engine.scheduler.chunked_req is None:
                engine.retract(["r4"], "pause")
        case 5:
            engine.close("A")


class Lockstep(Player):
    """Draws operations on the model, does each on the release too, and compares all there is to compare."""

    def __init__(self, modules: Any, seed: int, release: str) -> None:
        super().__init__(draw_case(seed, release={"release": release}))
        self.driver = Driver(self.engine)
        self.real = RealEngine(modules, self.case.config)

    def do(self, action: Any) -> None:
        """One action on both."""
        self.run.actions.append(action)
        mine = theirs = crashed = None
        try:
            mine = self._on(self.driver, action)
        except Over:
            crashed = self.driver.crashed
        try:
            theirs = self._on(self.real, action)
        except EngineCrash as crash:
            if crashed is None or (crashed.kind, crashed.message) != (crash.kind, crash.message):
                raise Different(f"model: {crashed!r}; release: {crash!r} {crash.frames}") from crash
            raise Over from crash
        if crashed is not None:
            raise Different(f"only the model crashed: {crashed!r}")
        self._compare(mine, theirs)

    def _on(self, engine: Any, action: Any) -> Any:
        if action == STEP:
            return engine.step()
        if isinstance(action, float):
            return engine.advance(action)
        return engine.do(action) if engine is self.driver else action.apply(engine)

    def _compare(self, mine: Any, theirs: Any) -> None:
        model, real = self.engine, self.real
        pairs = {
            "report": (mine, theirs), "alarm": (model.alarm, real.alarm),
            "snapshot": (model.snapshot(), real.snapshot()), "layout": (model.layout(), real.layout()),
            "next reap": (model.next_reap(), real.next_reap()), "idle": (model.idle, real.idle),
            "running": (model.running, real.running), "waiting": (model.waiting, real.waiting),
            "progress": tuple([engine.progress(r.rid) for r in model.scheduler.waiting] for engine in (model, real)),
        }  # fmt: skip
        model.alarm = real.alarm = None
        for name, (one, other) in pairs.items():
            if one != other:
                raise Different(f"{name}: {one} | {other}")

    def outcome(self, length: int) -> str:
        """"equal", or the first difference."""
        try:
            for action in self._drawn(length):
                self.do(action)
        except Over:
            return "equal, to a crash"
        except Different as different:
            return f"operation {len(self.run.actions)} {self.run.actions[-1]}: {different}"
        return "equal"


class Different(Exception):
    """Model and release are not equal."""


def lockstep(modules: Any, release: str) -> dict[str, str]:
    """Random cases, by seed."""
    outcomes = {}
    for seed in SEEDS:
        config = draw_case(seed, release={"release": release}).config
        knobs, spec = config.scheduler, config.scheduler.speculative
        # Two things that a scenario is not let ask for.
        if (knobs.preempts and knobs.spec_v1) or (spec and spec.topk > 1 and config.pool.page_size > 1):
            continue
        outcomes[str(seed)] = Lockstep(modules, seed, release).outcome(60)
    return outcomes


def main(path: str, version: str) -> None:
    """All flows of one release."""
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    modules = boundary.enter(Source(path=Path(path), version=version, origin="path"))
    kinds = {"plain": NO_OVERLAP, "overlap": {}, "v1": SPEC_V1, "v2": SPEC_V2, "radix off": {"radix": False}}
    found: dict[str, Any] = {
        "double count": double_count(modules),
        "retract tail": {
            "1": retract_tail(modules, 1, **NO_OVERLAP), "16": retract_tail(modules, 16, **NO_OVERLAP),
            "1 v2": retract_tail(modules, 1, **SPEC_V2), "16 v2": retract_tail(modules, 16, **SPEC_V2),
        },
        "overshoot tail": {"1": overshoot_tail(modules, 1), "16": overshoot_tail(modules, 16)},
        "aborted turn": {"1": aborted_turn(modules, 1), "3": aborted_turn(modules, 3)},
        "too long": too_long(modules), "two turns": two_turns(modules), "closed in flight": closed_in_flight(modules),
        "idle check": idle_check(modules), "lost row": lost_row(modules),
        "taking turns": taking_turns(modules), "ours": ours(modules),
    }  # fmt: skip
    if version != "0.5.10.post1":
        found["everything"] = {
            f"{name}, page {page}": everything(modules, page, **knobs)
            for name, knobs in {**kinds, "chunked": {"chunked_prefill": 16, "mixed_chunk": True}}.items()
            for page in (1, 16)
        }
    release = {"0.5.10.post1": "sglang-0.5.10", "0.5.11": "sglang-0.5.11"}.get(version)
    if release is not None:
        found["lockstep"] = lockstep(modules, release)
    json.dump(found, wire)
    wire.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
