"""The watch names what happens; each event here is made to happen on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.config import MambaConfig, PoolConfig, RunConfig, SchedulerConfig, SwaConfig
from sim.conform.sides import Model
from sim.conform.targets import parse
from sim.engines.marks import REAP, STEP
from sim.engines.protocol import Request
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract, Submit
from sim.world import Segment

SMALL = RunConfig(
    pool=PoolConfig(tokens=256, page_size=1, rows=8, context=96),
    scheduler=SchedulerConfig(overlap=False, session_gate=False),
)


def request(rid, length=8, max_new=4, session=None, text=None):
    prompt = (Segment(name=text or rid, length=length),)
    return Submit(what=Request(rid=rid, prompt=prompt, max_new=max_new, session=session))


def played(*whats, config=SMALL, apart=0.01):
    """What is done one after another; numbers wait so many seconds."""
    now, actions = 0.0, []
    for what in whats:
        if isinstance(what, float):
            now += what
        else:
            actions.append((now, what))
            now += apart
    return Model(parse("0.5.11")).play(config, actions)


TURN = (Open(session="a"), request("a/1", session="a"))
STEPS = (STEP,) * 6

EVENTS = {
    "abort in queue": (request("r1"), Abort(request="r1")),
    "abort running": (request("r1"), STEP, Abort(request="r1")),
    "abort before start": (request("r1", length=200),),
    "borrow": (*TURN, *STEPS, request("a/2", session="a"), STEP),
    "close in flight": (*TURN, STEP, Close(session="a")),
    "close carried out later": (*TURN, STEP, Close(session="a"), *STEPS, 1.5, REAP),
    "concurrent turn": (*TURN, STEP, request("a/2", session="a")),
    "finish by length": (request("r1"), STEP, STEP, STEP, STEP),
    "forced retract, paused": (request("r1"), STEP, STEP, Retract(rids=None, how="pause")),
    "forced retract, decoding": (request("r1"), STEP, STEP, Retract(rids=("r1",), how="memory"), STEP),
    "prompt too long": (Open(session="a"), request("a/1", length=200, session="a")),
    "refused admission": (request("r1"), Refuse(request="r1", times=1), STEP),
    "session time-out": (Open(session="a", timeout=0.5), 2.0, REAP),
    "shared prefix": (request("r1", text="x"), *STEPS, request("r2", length=16, text="x"), STEP),
    "stuck": (request("r1"), Refuse(request="r1", times=1), *STEPS),
    "time-out in flight": (*TURN, STEP, Expire(session="a"), STEP),
    "turn of a closing session": (*TURN, STEP, Close(session="a"), request("a/2", session="a")),
    "turn of no session": (request("a/1", session="a"),),
}


WINDOW = replace(SMALL, pool=replace(SMALL.pool, swa=SwaConfig(tokens=256, window=4)))
SPLIT = replace(WINDOW, scheduler=replace(SMALL.scheduler, chunked_prefill=8, radix=False))
STATES = replace(SMALL, pool=replace(SMALL.pool, mamba=MambaConfig(slots=20)))
FEW = replace(SMALL, pool=replace(SMALL.pool, mamba=MambaConfig(slots=8)))
SNAPSHOTS = replace(
    SMALL,
    pool=replace(SMALL.pool, mamba=MambaConfig(slots=20, strategy="extra_buffer", track_interval=8, chunk=8)),
)

POOL_EVENTS = {
    "window passed, decoding": (WINDOW, request("r1", max_new=14), *(STEP,) * 11),
    "window passed, prefilling": (SPLIT, request("r1", length=40), STEP, STEP),
    "tombstone inserted": (WINDOW, request("r1", max_new=14), *(STEP,) * 14),
    "state copied": (STATES, request("r1"), STEP),
    "state inserted": (STATES, request("r1"), STEP),
    "state found": (STATES, request("r1", text="x"), *STEPS, request("r2", length=16, text="x"), STEP),
    "refused turn with states": (
        STATES, Open(session="a"), request("a/1", session="a"), *STEPS, request("a/2", session="a"),
        Refuse(request="a/2", times=1), STEP,
    ),
    "snapshot": (SNAPSHOTS, request("r1", length=12), STEP),
    "states evicted": (FEW, request("r1"), *STEPS, request("r2"), *STEPS, request("r3"), *STEPS, request("r4"), STEP),
}  # fmt: skip


@pytest.mark.parametrize("event", POOL_EVENTS)
def test_the_watch_sees_what_happens_to_windows_and_states(event):
    config, *whats = POOL_EVENTS[event]
    assert played(*whats, config=config).events[event] == 1
    assert played(*whats[:-1], config=config).events[event] == 0


@pytest.mark.parametrize("event", EVENTS)
def test_the_watch_sees(event):
    *before, _ = EVENTS[event]
    assert played(*EVENTS[event]).events[event] == 1
    assert played(*before).events[event] == 0 or event == "stuck"


def test_a_crash_ends_the_case():
    crowded = RunConfig(
        pool=PoolConfig(tokens=256, rows=1, context=96), scheduler=SchedulerConfig(overlap=False, session_gate=False)
    )
    done = played(request("r1"), request("r2"), STEP, STEP, STEP, config=crowded)
    assert done.events["crash"] == 1
    assert len(done.marks) == 3
    assert done.marks[-1].kind == "RuntimeError"


def test_watching_changes_nothing():
    whats = (*TURN, *STEPS, request("a/2", session="a"), *STEPS, Close(session="a"))
    actions = [(0.01 * i, what) for i, what in enumerate(whats)]
    model = Model(parse("0.5.11"))
    assert model.play(SMALL, actions).marks == model.play(SMALL, actions, watched=False).marks
