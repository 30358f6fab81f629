"""Prompts, output lengths and accepted runs of a case's requests."""

from __future__ import annotations

from random import Random
from typing import Any

from sim.cases.flavour import Flavour
from sim.config import RunConfig
from sim.engines.protocol import Request
from sim.world import Segment

_OWN = (1, 1, 2, 3, 5, 9, 16, 21)
_SHARED = (4, 8, 16, 17, 32, 48)
_OUTPUTS = ((1, 1, 2, 3, 4, 6, 9), (1, 2, 3, 5, 8, 13, 30), (5, 8, 13, 21, 30))
_LONG = (8, 13, 21, 34)
_ACCEPT: tuple[Any, ...] = ((1,), (2,), (4,), (1, 3), (4, 1, 2), 0.3, 0.7, 0.95)


class Prompts:
    """Requests whose texts have much in common."""

    def __init__(self, config: RunConfig, flavour: Flavour, random: Random) -> None:
        self._config = config
        self._random = random
        self._outputs: tuple[int, ...] = random.choice(_OUTPUTS[2:] if flavour.pressure else _OUTPUTS)
        if config.pool.swa is not None and random.random() < 0.7:
            # Long enough to leave a window behind.
            self._outputs = _LONG
        most = config.pool.tokens // (4 if flavour.careful or flavour.pressure else 1)
        self._own = [length for length in _OWN if length <= most]
        self._shared = [length for length in _SHARED if length <= most]
        self._sent: list[tuple[Segment, ...]] = []
        self._again = 0.65 if flavour.repeating else 0.25

    def ordinary(self, rid: str, length: int | None = None) -> Request:
        """A request without a session; one that repeats an earlier prompt, now and then."""
        random = self._random
        if self._sent and length is None and random.random() < self._again:
            prompt = random.choice(self._sent)
            if random.random() < 0.4:
                prompt = (*prompt, Segment(name=rid, length=random.choice(self._own)))
        else:
            prompt = self._prompt(rid, length, shared=0.6)
        self._sent.append(prompt)
        return self._request(rid, prompt, None)

    def turn(self, rid: str, session: str, length: int | None = None) -> Request:
        """One turn of a session."""
        return self._request(rid, self._prompt(rid, length, shared=0.25), session)

    def _prompt(self, rid: str, length: int | None, *, shared: float) -> tuple[Segment, ...]:
        random = self._random
        if length is not None:
            return (Segment(name=rid, length=max(1, length)),)
        prompt = [Segment(name=random.choice([rid, rid, "text"]), length=random.choice(self._own))]
        if random.random() < shared:
            prompt.insert(0, Segment(name=random.choice("xy"), length=random.choice(self._shared)))
        return tuple(prompt)

    def _request(self, rid: str, prompt: tuple[Segment, ...], session: str | None) -> Request:
        random, knobs = self._random, self._config.scheduler
        return Request(
            rid=rid, prompt=prompt, session=session,
            max_new=0 if random.random() < 0.03 else random.choice(self._outputs),
            accept=(1,) if knobs.speculative is None else random.choice(_ACCEPT),
            priority=random.choice([None, 0, 1, 5, 20]) if knobs.priority else None,
            stop_at=random.randint(1, 10) if random.random() < 0.3 else None,
            ignore_eos=random.random() < 0.2,
        )  # fmt: skip
