"""What a worker sends of a real release's memory, and when it counts it."""

import pytest
from helpers.rig import request_of
from helpers.sources import source_of

from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.engines.select import Choice, Engines
from sim.engines.sglang.watch import SMALL

VERSIONS = ["0.5.10.post1", "0.5.11"]


@pytest.fixture(params=VERSIONS, scope="module")
def engines(request):
    """One process for all tests of this file: each of them begins afresh in it."""
    with Engines(Choice(spec=f"sglang=={request.param}", path=source_of(request.param).path)) as made:
        yield made


def engine_of(engines, tokens=1000, audit="idle", **knobs):
    config = RunConfig(
        pool=PoolConfig(tokens=tokens, rows=8, context=512),
        scheduler=SchedulerConfig(max_running=8, session_gate=False, **knobs),
        audit=audit,
    )
    return engines.remote(config, (), audit=True)


def events(engine, steps=12):
    """A session with one turn, a request, and a close; what was seen after each event."""
    yield "open", engine.open("a")
    yield "submit", engine.submit(request_of("a/1", 20, 4, "a"))
    yield "submit", engine.submit(request_of("r", 12, 3))
    for _ in range(steps):
        yield "step", engine.step()
    yield "close", engine.close("a")


def test_a_small_pool_is_counted_after_every_event_and_is_sound(engines):
    engine = engine_of(engines)
    for kind, _ in events(engine):
        counts = engine.seen["counts"]
        assert (counts["full"]["lost"], counts["full"]["extra"]) == (0, 0), kind
        assert (counts["rows"]["lost"], counts["rows"]["extra"]) == (0, 0), kind
        assert engine.seen["terms"]["full"] == list(engine.snapshot().pools["full"])
        assert not {"faults", "misreads", "reread", "breaches", "touched"} & set(engine.seen)


def test_a_large_pool_is_counted_when_nothing_runs_at_a_close_and_when_the_books_move(engines):
    engine = engine_of(engines, tokens=SMALL + 100)
    counted = [(kind, engine.idle) for kind, _ in events(engine) if "counts" in engine.seen]
    moved = [kind for kind, idle in counted if kind != "close" and not idle]
    assert ("close", False) in counted
    assert ("step", True) in counted
    # 0.5.10 counts a finished turn twice: there the books move, once there and once back.
    assert len(moved) == (2 if engines.choice.spec.endswith("0.5.10.post1") else 0)


@pytest.mark.parametrize(
    ("audit", "kinds"), [("event", {"open", "submit", "step", "close"}), ("step", {"step", "close"})]
)
def test_a_large_pool_is_counted_as_often_as_it_is_asked_for(engines, audit, kinds):
    engine = engine_of(engines, tokens=SMALL + 100, audit=audit)
    seen = [(kind, "counts" in engine.seen) for kind, _ in events(engine)]
    assert {kind for kind, counted in seen if counted} == kinds
    assert all(counted for kind, counted in seen if kind in kinds)


def test_the_end_counts_a_large_pool_too(engines):
    engine = engine_of(engines, tokens=SMALL + 100)
    engine.open("a")
    assert "counts" not in engine.seen
    engine.observe()
    assert "counts" in engine.seen


def test_whom_an_event_handled_and_who_waits(engines):
    engine = engine_of(engines)
    engine.open("a")
    assert "about" not in engine.seen
    engine.submit(request_of("a/1", 20, 4, "a"))
    assert engine.seen["waiting"] == ["a/1", "a", 1, None]
    engine.step()
    assert engine.seen["about"] == ["a/1", "a"]
    assert "waiting" not in engine.seen


def test_without_audit_nothing_is_seen(engines):
    config = RunConfig(pool=PoolConfig(tokens=1000, rows=8))
    engine = engines.remote(config, (), audit=False)
    engine.open("a")
    engine.step()
    assert engine.seen == {}
