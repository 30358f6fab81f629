"""Who sends requests: one SimPy process per source of a workload, none per idle session.

What a client draws depends on the seed and on names only, so every release sees the same workload.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import count
from typing import Any, Protocol

import numpy as np
from simpy import Environment, Event

from sim.config import LatencyConfig
from sim.engines.protocol import Request
from sim.operations import Close, Open, Operation, Submit
from sim.scenario import model
from sim.world import Segment, key_of

Process = Generator[Event, Any, None]
OnEnd = Callable[[str, float], None]


class Server(Protocol):
    """What a client sees of the world: time, and where to send things."""

    env: Environment
    seed: int
    latency: LatencyConfig

    def post(self, operation: Operation, on_end: OnEnd | None = None) -> None:
        """Send an operation; `on_end(rid, delay)` is called when the request has ended, `delay` from now."""

    def live(self, rid: str) -> bool:
        """Whether the request was sent with `on_end` and has not ended."""


def rng_of(seed: int, name: str) -> np.random.Generator:
    """The random numbers of whatever is called `name`."""
    return np.random.Generator(np.random.PCG64(key_of(seed, f"client:{name}")))


def scripted(server: Server, session: model.ScriptedSession) -> Process:
    """A session whose turns are written out."""
    env = server.env
    yield from _until(env, session.open)
    server.post(Open(session=session.name, timeout=session.timeout))
    if not isinstance(session.close, str):
        env.process(_close_at(server, session.name, session.close))
    ended: Event | None = None
    for turn in session.turns:
        if turn.at is not None:
            yield from _until(env, turn.at)
        else:
            delay = (yield ended) if ended is not None else 0.0
            if turn.think:
                yield env.timeout(delay + turn.think)
        ended = env.event()
        server.post(Submit(what=_written(turn, session.name)), _succeed(ended))
    if session.close == "end":
        if ended is not None:
            yield ended
        server.post(Close(session=session.name))


def single(server: Server, request: model.SingleRequest) -> Process:
    """One ordinary request."""
    yield from _until(server.env, request.at)
    server.post(Submit(what=_written(request, None)))


def poisson(server: Server, source: model.Poisson) -> Process:
    """Ordinary requests at random times."""
    env, rng = server.env, rng_of(server.seed, source.name)
    for number in _numbers(source.count):
        yield env.timeout(float(rng.exponential(1.0 / source.rate)))
        if source.until is not None and env.now > source.until:
            return
        server.post(Submit(what=drawn(rng, source, f"{source.name}-{number}")))


def bursty(server: Server, source: model.Bursty) -> Process:
    """Ordinary requests in bursts, the first at once."""
    env, rng = server.env, rng_of(server.seed, source.name)
    numbers = count(1)
    for burst in _numbers(source.count):
        if burst > 1:
            yield env.timeout(source.every)
        if source.until is not None and env.now > source.until:
            return
        for _ in range(int(source.size.draw(rng))):
            server.post(Submit(what=drawn(rng, source, f"{source.name}-{next(numbers)}")))


def drawn(
    rng: np.random.Generator,
    source: model.Generator,
    rid: str,
    session: str | None = None,
    first: bool = True,
) -> Request:
    """A request as a generator draws it; the shared prefix comes with the first turn only."""
    return Request(
        rid=rid,
        prompt=_text(rid, int(source.prompt.draw(rng)), source.prefix if first else None, rng),
        max_new=int(source.output.draw(rng)),
        session=session,
        priority=None if source.priority is None else int(source.priority.draw(rng)),
        ignore_eos=source.ignore_eos,
        accept=source.accept,
    )


def _written(turn: model.Turn | model.SingleRequest, session: str | None) -> Request:
    return Request(
        rid=turn.rid,
        prompt=_text(turn.rid, turn.prompt, turn.prefix, None),
        max_new=turn.output,
        session=session,
        priority=turn.priority,
        ignore_eos=turn.ignore_eos,
        stop_at=turn.stop,
        accept=turn.accept,
    )


def _text(
    rid: str, length: int, prefix: model.Prefix | None, rng: np.random.Generator | None
) -> tuple[Segment, ...]:
    own = Segment(name=rid, length=length)
    if prefix is None:
        return (own,)
    name = prefix.name
    if prefix.pool > 1 and rng is not None:
        name = f"{name}-{int(rng.integers(prefix.pool)) + 1}"
    return (Segment(name=name, length=prefix.tokens), own)


def _until(env: Environment, time: float) -> Process:
    if time > env.now:
        yield env.timeout(time - env.now)


def _close_at(server: Server, session: str, time: float) -> Process:
    yield from _until(server.env, time)
    server.post(Close(session=session))


def _succeed(event: Event) -> OnEnd:
    def succeed(_rid: str, delay: float) -> None:
        event.succeed(delay)

    return succeed


def _numbers(last: int | None) -> Iterator[int]:
    return count(1) if last is None else iter(range(1, last + 1))
