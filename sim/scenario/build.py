"""From validated parts to the frozen dataclasses that a run is handed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sim.config import (
    LatencyConfig,
    PoolConfig,
    RunConfig,
    SchedulerConfig,
    SpeculativeConfig,
    TestRetractConfig,
)
from sim.scenario.errors import Place
from sim.scenario.injections import (
    AbortPart,
    ClosePart,
    ExpectPart,
    OverlongPart,
    PointPart,
    RefusePart,
    RetractPart,
    SecondTurnPart,
    Timed,
    TimeoutPart,
)
from sim.scenario.model import (
    Bursty,
    Expect,
    ExpectVerdict,
    Fleet,
    Injection,
    Point,
    Poisson,
    Prefix,
    ScriptedSession,
    SingleRequest,
    Source,
    Trigger,
    Turn,
    Until,
)
from sim.scenario.places import Node
from sim.scenario.pools import most_running, overlap_goes, pool_config
from sim.scenario.schema import Settings
from sim.scenario.settings import Scheduler, Speculative, UntilPart
from sim.scenario.sources import (
    BurstyItem,
    Drawn,
    FleetItem,
    FleetPart,
    PoissonItem,
    RequestPart,
    SessionPart,
    SourceItem,
    Spoken,
)

_MOST_RUNNING = SchedulerConfig().max_running


def run_config(settings: Settings) -> RunConfig:
    """The configuration that these settings spell."""
    pool = pool_config(settings.pool, settings.model)
    return RunConfig(
        pool=pool,
        scheduler=_scheduler(settings.scheduler, pool),
        latency=LatencyConfig(**settings.latency.model_dump()),
        seed=settings.seed,
    )


def _scheduler(part: Scheduler, pool: PoolConfig) -> SchedulerConfig:
    plain = part.model_dump(exclude={"max_running", "test_retract", "speculative"})
    if pool.mamba is not None and overlap_goes(pool.mamba, part.radix, part.speculative is not None):
        plain["overlap"] = False
    made = SchedulerConfig(
        **plain,
        max_running=min(_MOST_RUNNING, pool.rows) if part.max_running is None else part.max_running,
        test_retract=None
        if part.test_retract is None
        else TestRetractConfig(**part.test_retract.model_dump()),
        speculative=None if part.speculative is None else _speculative(part.speculative),
    )
    if part.max_running is None:
        made = replace(made, max_running=most_running(pool.mamba, made, made.max_running))
    return made


def _speculative(part: Speculative) -> SpeculativeConfig:
    draft = part.draft
    if draft is None:
        draft = part.steps + 1 if part.topk == 1 else SpeculativeConfig().draft
    return SpeculativeConfig(algorithm=part.algorithm, steps=part.steps, topk=part.topk, draft=draft)


def until(part: float | UntilPart | None) -> Until:
    """Where the run ends at the latest."""
    if isinstance(part, UntilPart):
        return Until(time=part.time, iterations=part.iterations)
    return Until(time=part)


def source(part: SourceItem, node: Node) -> Source:
    """One entry of the workload; placed where its name stands."""
    if isinstance(part, SessionPart):
        return _session(part, node)
    if isinstance(part, RequestPart):
        return SingleRequest(rid=part.request, at=part.at, place=node.place_of("request"), **_spoken(part))
    if isinstance(part, PoissonItem):
        one = part.poisson
        common = _drawn(one, node.place_of("poisson", "name"))
        return Poisson(rate=one.rate, until=one.until, count=one.count, **common)
    if isinstance(part, BurstyItem):
        two = part.bursty
        common = _drawn(two, node.place_of("bursty", "name"))
        return Bursty(every=two.every, size=two.size, until=two.until, count=two.count, **common)
    return _fleet(part, node)


def _session(part: SessionPart, node: Node) -> ScriptedSession:
    turns = tuple(
        Turn(
            rid=f"{part.session}/{number}",
            think=turn.think,
            at=turn.at,
            place=node.place_of("turns", number - 1),
            **_spoken(turn),
        )
        for number, turn in enumerate(part.turns, 1)
    )
    place = node.place_of("session")
    return ScriptedSession(
        name=part.session, turns=turns, open=part.open, timeout=part.timeout, close=part.close, place=place
    )


def _fleet(item: FleetItem, node: Node) -> Fleet:
    part = item.fleet
    names = set(FleetPart.model_fields) - set(Drawn.model_fields)
    own = {name: getattr(part, name) for name in names}
    return Fleet(**own, **_drawn(part, node.place_of("fleet", "name")))


def _spoken(part: Spoken) -> dict[str, Any]:
    plain = {name: getattr(part, name) for name in Spoken.model_fields}
    if part.prefix is not None:
        plain["prefix"] = Prefix(name=part.prefix.name, tokens=part.prefix.tokens)
    return plain


def _drawn(part: Drawn, place: Place) -> dict[str, Any]:
    plain = {name: getattr(part, name) for name in Drawn.model_fields}
    shared = part.prefix
    if shared is not None:
        plain["prefix"] = Prefix(name=shared.name or part.name, tokens=shared.tokens, pool=shared.pool)
    return {**plain, "place": place}


def injections(parts: Sequence[Any], nodes: Sequence[Node]) -> tuple[Injection, ...]:
    """What is done from outside, with the ids of the requests that it makes."""
    made: Counter[str] = Counter()
    built = []
    for part, node in zip(parts, nodes, strict=True):
        one = _injection(part, node)
        if one["action"] in ("overlong", "second_turn"):
            word = one["action"].removesuffix("_turn")
            stem = word if one["target"] is None else f"{one['target']}/{word}"
            made[stem] += 1
            one["rid"] = f"{stem}-{made[stem]}"
        built.append(Injection(**one))
    return tuple(built)


def _injection(part: Any, node: Node) -> dict[str, Any]:
    own: dict[str, Any]
    match part:
        case RetractPart():
            target = None if part.retract == "all" else part.retract
            own = {"action": "retract", "target": target, "how": part.how}
        case AbortPart():
            own = {"action": "abort", "target": part.abort}
        case ClosePart():
            own = {"action": "close", "target": part.close}
        case TimeoutPart():
            own = {"action": "timeout", "target": part.timeout}
        case OverlongPart():
            own = {"action": "overlong", "target": part.overlong}
        case SecondTurnPart():
            own = {
                "action": "second_turn",
                "target": part.second_turn,
                "prompt": part.prompt,
                "output": part.output,
            }
        case RefusePart():
            own = {"action": "refuse", "target": part.refuse, "times": part.times}
        case _:
            raise AssertionError(f"an injection of a kind unknown here: {part!r}")
    subject = own["target"] if own["action"] in ("retract", "abort", "refuse") else None
    return {**own, "place": node.place_of(own["action"]), "trigger": _trigger(part, node, subject)}


def _trigger(part: Timed, node: Node, subject: str | None = None) -> Trigger:
    """When it happens; `subject` is the request whose tokens a bare `decoded` counts."""
    if part.at is not None:
        return Trigger(kind="at", value=part.at, place=node.place_of("at"))
    when = part.when
    assert when is not None, "validated: exactly one of at and when"
    if when.decoded is not None:
        rid = when.turn or subject
        return Trigger(kind="decoded", value=when.decoded, rid=rid, place=node.place_of("when", "decoded"))
    if when.iteration is not None:
        return Trigger(kind="iteration", value=when.iteration, place=node.place_of("when", "iteration"))
    if when.queued is not None:
        return Trigger(kind="queued", rid=when.queued, place=node.place_of("when", "queued"))
    if when.running is not None:
        return Trigger(kind="running", rid=when.running, place=node.place_of("when", "running"))
    return Trigger(kind="finished", rid=when.finished, place=node.place_of("when", "finished"))


def expect(part: ExpectPart | list[ExpectPart], node: Node) -> Expect:
    """What a variant must show."""
    entries = part if isinstance(part, list) else [part]
    nodes = node.items() if isinstance(part, list) else [node]
    verdicts, points = [], []
    for entry, at in zip(entries, nodes, strict=True):
        plain = entry.model_dump(exclude={"points"})
        verdicts.append(ExpectVerdict(**plain, place=at.place))
        points += [_point(p, at.find("points", i) or at) for i, p in enumerate(entry.points)]
    return Expect(verdicts=tuple(verdicts), points=tuple(points), place=node.place)


def _point(part: PointPart, node: Node) -> Point:
    return Point(
        trigger=_trigger(part, node),
        full=part.full.model_dump(exclude_none=True),
        swa=part.swa.model_dump(exclude_none=True),
        mamba=part.mamba.model_dump(exclude_none=True),
        sessions={name: figures.model_dump(exclude_none=True) for name, figures in part.sessions.items()},
        requests={rid: figures.model_dump(exclude_none=True) for rid, figures in part.requests.items()},
        free_rows=part.free_rows,
        place=node.place,
    )
