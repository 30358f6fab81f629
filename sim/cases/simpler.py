"""What is a little simpler than an operation, than a configuration, than the names of a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from math import lcm
from typing import Any

from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.engines.marks import Timed
from sim.engines.protocol import Request
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract, Submit
from sim.scenario.pools import SMALLEST_POOL
from sim.world import Segment

Way = Callable[[RunConfig], RunConfig]


def simpler_operations(what: Any) -> Iterator[Any]:
    """Operations like this one, with simpler numbers."""
    if isinstance(what, Submit):
        for request in _simpler_requests(what.what):
            yield Submit(what=request)
    elif isinstance(what, Open) and what.timeout is not None:
        yield Open(session=what.session)
    elif isinstance(what, Refuse) and what.times > 1:
        yield Refuse(request=what.request, times=1)
    elif isinstance(what, Retract) and what.rids is not None and len(what.rids) > 1:
        for rid in what.rids:
            yield replace(what, rids=(rid,))


def _simpler_requests(request: Request) -> Iterator[Request]:
    plain: dict[str, Any] = {"stop_at": None, "ignore_eos": False, "priority": None, "accept": (1,), "session": None}
    for name, value in plain.items():
        if getattr(request, name) != value:
            yield replace(request, **{name: value})
    for number in smaller(request.max_new):
        yield replace(request, max_new=number)
    prompt = request.prompt
    if len(prompt) > 1:
        for at in range(len(prompt)):
            yield replace(request, prompt=prompt[:at] + prompt[at + 1 :])
    for at, segment in enumerate(prompt):
        if segment.name != request.rid:
            own = replace(segment, name=request.rid)
            yield replace(request, prompt=(*prompt[:at], own, *prompt[at + 1 :]))
        for length in smaller(segment.length):
            yield replace(request, prompt=(*prompt[:at], replace(segment, length=length), *prompt[at + 1 :]))


def smaller(number: int, least: int = 1) -> Iterator[int]:
    """Numbers below this one, the smallest first."""
    if number > least:
        yield least
        middle = (number + least) // 2
        if least < middle < number - 1:
            yield middle
        if number - 1 > least:
            yield number - 1


# -- configurations ---------------------------------------------------------------------------------------


def plainer(config: RunConfig) -> list[Way]:
    """Ways to make a configuration plainer: each knob as it is by default, fewer pools."""
    ways: list[Way] = []
    default = SchedulerConfig()
    for field in fields(SchedulerConfig):
        plain = getattr(default, field.name)
        if field.name not in ("overlap", "speculative") and getattr(config.scheduler, field.name) != plain:
            ways.append(_with(field.name, plain))
    if config.scheduler.speculative is not None:
        ways.append(_with("speculative", None))
    ways.append(_with("overlap", False))
    ways += [_without(name) for name in ("swa", "mamba") if getattr(config.pool, name) is not None]
    return ways


def _without(pool: str) -> Way:
    gone: dict[str, Any] = {pool: None}
    return lambda config: replace(config, pool=replace(config.pool, **gone))


def _with(name: str, value: Any) -> Way:
    def changed(config: RunConfig) -> RunConfig:
        knobs = replace(config.scheduler, **{name: value})
        if knobs.chunked_prefill is None:
            knobs = replace(knobs, mixed_chunk=False)
        return replace(config, scheduler=knobs)

    return changed


def smaller_pools(config: RunConfig) -> Iterator[RunConfig]:
    """The same with smaller pages, pools and batches, one thing at a time, the smallest first."""
    pool, page = config.pool, config.pool.page_size
    if page > 1:
        yield replace(config, pool=replace(pool, page_size=1))
    fewest = -(-SMALLEST_POOL // page)
    for count in smaller(pool.tokens // page, fewest):
        yield _sized(config, tokens=count * page)
    if pool.swa is not None:
        for count in smaller(pool.swa.tokens // page, fewest):
            yield _sized(config, swa=replace(pool.swa, tokens=count * page))
        for window in smaller(pool.swa.window):
            yield _sized(config, swa=replace(pool.swa, window=window))
    if pool.mamba is not None:
        grid = lcm(pool.mamba.chunk, page)
        for slots in smaller(pool.mamba.slots, pool.rows):
            yield _sized(config, mamba=replace(pool.mamba, slots=slots))
        if pool.mamba.track_interval > grid:
            yield _sized(config, mamba=replace(pool.mamba, track_interval=grid))
    for rows in smaller(pool.rows, config.scheduler.max_running):
        yield _sized(config, rows=rows)
    for running in smaller(config.scheduler.max_running):
        yield replace(config, scheduler=replace(config.scheduler, max_running=running))


def _sized(config: RunConfig, **sizes: Any) -> RunConfig:
    pool: PoolConfig = replace(config.pool, **sizes)
    if pool.swa is not None and pool.swa.tokens > pool.tokens:
        pool = replace(pool, swa=replace(pool.swa, tokens=pool.tokens))
    return replace(config, pool=pool)


# -- names ------------------------------------------------------------------------------------------------


def subjects(actions: Sequence[Timed]) -> list[str]:
    """The sessions and requests that these operations name, sessions first."""
    sessions = [what.session for _, what in actions if not isinstance(what, str) and what.session is not None]
    requests = [what.request for _, what in actions if isinstance(what, Submit)]
    return list(dict.fromkeys([*sessions, *requests]))


def without_subject(actions: Sequence[Timed], name: str) -> list[Timed]:
    """What is left when nothing is said or done about this session or request."""
    return [(time, what) for time, what in actions if isinstance(what, str) or name not in (what.session, what.request)]


def renamed(actions: Sequence[Timed]) -> list[Timed]:
    """The same with the first names: sessions `a`, `b`, their turns `a/1`, `a/2`, other requests `r1`, `r2`."""
    names = _Names(actions)
    return [(time, what if isinstance(what, str) else names.of(what)) for time, what in actions]


class _Names:
    def __init__(self, actions: Sequence[Timed]) -> None:
        self._new: dict[str, str] = {}
        turns: dict[str, int] = {}
        sessions = plain = 0
        for _, what in actions:
            session = None if isinstance(what, str) else what.session
            if session is not None and session not in self._new:
                sessions += 1
                self._new[session] = chr(ord("a") + sessions - 1) if sessions <= 26 else f"s{sessions}"
            if isinstance(what, Submit) and what.request not in self._new:
                if session is None:
                    plain += 1
                    self._new[what.request] = f"r{plain}"
                else:
                    turns[session] = turns.get(session, 0) + 1
                    self._new[what.request] = f"{self._new[session]}/{turns[session]}"

    def _name(self, old: str) -> str:
        return self._new.get(old, old)

    def of(self, what: Any) -> Any:
        """This operation under the new names."""
        if isinstance(what, Submit):
            request = what.what
            prompt = tuple(Segment(name=self._name(s.name), length=s.length) for s in request.prompt)
            session = None if request.session is None else self._name(request.session)
            return Submit(what=replace(request, rid=self._name(request.rid), prompt=prompt, session=session))
        if isinstance(what, Open | Close | Expire):
            return replace(what, session=self._name(what.session))
        if isinstance(what, Abort | Refuse):
            return replace(what, request=self._name(what.request))
        if isinstance(what, Retract) and what.rids is not None:
            return replace(what, rids=tuple(map(self._name, what.rids)))
        return what
