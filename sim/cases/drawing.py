"""Operations drawn from a seed: names that hit, prompts that share text, and rare moments made likely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from sim.cases.flavour import Flavour
from sim.cases.guess import Guesses
from sim.cases.prompts import Prompts
from sim.config import RunConfig
from sim.engines.marks import REAP, STEP, Timed
from sim.engines.protocol import Request
from sim.operations import Abort, Close, Expire, Open, Operation, Refuse, Retract, Submit

SESSIONS = "abcdefgh"
_MOST_OPEN = 4
_TAIL_STEPS = 8

WEIGHTS: dict[str, float] = {
    "step": 18, "turn": 10, "plain": 6, "wave": 0.7, "open": 2, "abort": 1.6, "abort at once": 0.7, "close": 1,
    "close busy": 0.7, "expire": 1, "pause": 0.8, "pause some": 1.5, "memory": 1.5, "refuse": 0.6, "reap": 2,
    "overlong": 0.7, "second": 0.7, "stranger": 0.3, "again": 1,
}  # fmt: skip
_ALWAYS = ("step", "turn", "plain", "open")


class Drawing:
    """The operations of one case, one after another."""

    def __init__(self, config: RunConfig, flavour: Flavour, random: Random) -> None:
        self._random = random
        self._config = config
        self._flavour = flavour
        self._weights = self._mix()
        self._most_live = random.choice([6, 10] if flavour.pressure else [2, 4, 6, 10])
        self._guesses = Guesses(config)
        self._prompts = Prompts(config, flavour, random)
        self._opened: list[str] = []
        self._turns = dict.fromkeys(SESSIONS, 0)
        self._plain_requests = 0
        self._sent: dict[str, Request] = {}
        self._now = 0.0
        self._actions: list[Timed] = []

    def _mix(self) -> dict[str, float]:
        """Every case has a mix of its own, some kinds switched off, so that rare combinations occur."""
        weights = dict(WEIGHTS)
        weights["step"] = self._random.choice([9, 18, 30])
        if self._flavour.pressure:
            weights["plain"], weights["wave"] = 12, 2
        if self._config.pool.swa is not None:
            weights["again"] = 4
        for name in weights:
            if name not in _ALWAYS and self._random.random() < 0.35:
                weights[name] = 0
        return weights

    def draw(self, length: int) -> tuple[Timed, ...]:
        """About `length` operations: a drawn part, then a drain and a close of all sessions."""
        tail = _TAIL_STEPS + _MOST_OPEN + 5
        while len(self._actions) < length - tail:
            self._one()
        self._steps(_TAIL_STEPS)
        for name in self._opened[:_MOST_OPEN]:
            self._do(Close(session=name))
        self._steps(1)
        self._later(5.0)
        self._actions.append((self._now, REAP))
        self._steps(3)
        return tuple(self._actions[:length])

    # -- noting -------------------------------------------------------------------------------------------

    def _do(self, operation: Operation) -> None:
        self._actions.append((self._now, operation))

    def _later(self, seconds: float) -> None:
        self._now = round(self._now + seconds, 3)

    def _steps(self, count: int) -> None:
        for _ in range(count):
            if self._random.random() < 0.6:
                self._later(self._flavour.tick)
            self._actions.append((self._now, STEP))
            self._guesses.step()

    # -- one draw -----------------------------------------------------------------------------------------

    def _one(self) -> None:
        name = self._random.choices(list(self._weights), list(self._weights.values()))[0]
        if name in ("turn", "plain", "second", "wave", "again") and len(self._guesses.live()) >= self._most_live:
            name = "step"
        if name == "step" and not self._guesses.live() and self._random.random() < 0.8:
            name = self._random.choice(["turn", "plain"])
        if not self._opened and name in ("turn", "second", "close", "close busy", "expire"):
            name = "open"
        draw: Callable[[], Any] = getattr(self, "_" + name.replace(" ", "_"))
        draw()

    def _step(self) -> None:
        self._steps(self._random.choice([1, 1, 2, 3]))

    def _open(self) -> None:
        """A name that is taken, now and then."""
        taken = len(self._opened) >= _MOST_OPEN or (self._opened and self._random.random() < 0.1)
        name = self._random.choice(self._opened if taken else [n for n in SESSIONS if n not in self._opened])
        if not taken:
            self._opened.append(name)
        self._do(Open(session=name, timeout=self._random.choice([None, None, None, 0.87, 3.07])))

    # -- requests -----------------------------------------------------------------------------------------

    def _submit(self, request: Request) -> None:
        self._do(Submit(what=request))
        self._guesses.submitted(request)

    def _plain(self) -> None:
        request = self._prompts.ordinary(self._next_rid())
        self._sent[request.rid] = request
        self._submit(request)

    def _again(self) -> None:
        """An ordinary request under its old name: word for word the same, the output too, as far as it goes."""
        over = [rid for rid in self._guesses.gone[-6:] if rid in self._sent]
        if not over:
            return self._plain()
        request = self._sent[self._random.choice(over)]
        if self._random.random() < 0.5:
            request = replace(request, max_new=self._random.randint(1, max(request.max_new, 1)))
        self._submit(request)

    def _next_rid(self) -> str:
        self._plain_requests += 1
        return f"r{self._plain_requests}"

    def _wave(self) -> None:
        for _ in range(self._random.choice([2, 3, 4])):
            self._plain()

    def _turn(self) -> None:
        name = self._random.choice(self._opened)
        if self._guesses.busy(name):
            self._step()
        elif self._nearly_full(name):
            self._close_named(name)
            self._open()
        else:
            self._turn_of(name)

    def _nearly_full(self, name: str) -> bool:
        said = self._guesses.said
        if said.get(name, 0) > self._config.max_req_input_len * 0.8:
            return True
        return self._flavour.careful and sum(said.values()) > self._config.pool.tokens * 0.4

    def _turn_of(self, name: str, length: int | None = None) -> None:
        if name in self._turns:
            self._turns[name] += 1
        rid = f"{name}/{self._turns.get(name, 0)}"
        if self._weights["refuse"] and self._may_refuse() and self._random.random() < 0.08:
            self._do(Refuse(request=rid, times=self._random.choice([1, 2])))
        self._submit(self._prompts.turn(rid, name, length))

    def _second(self) -> None:
        busy = [name for name in self._opened if self._guesses.busy(name)]
        self._turn_of(self._random.choice(busy or self._opened))

    def _overlong(self) -> None:
        length = self._config.max_req_input_len + self._random.choice([-1, 0, 3])
        if self._random.random() < 0.7:
            self._turn_of(self._random.choice(self._opened or list(SESSIONS)), length)
        else:
            self._submit(self._prompts.ordinary(self._next_rid(), length))

    def _stranger(self) -> None:
        """A turn of a session that may not be there."""
        self._turn_of(self._random.choice(SESSIONS))

    # -- what is done to them -----------------------------------------------------------------------------

    def _abort(self) -> None:
        live, gone = self._guesses.live(), self._guesses.gone
        choices = [live, self._guesses.waiting(), self._guesses.running(), gone[-2:]]
        names = self._random.choices(choices, [4, 2, 4, 1])[0] or live
        if not names:
            return self._step()
        name = self._random.choice(names)
        self._abort_named(name[0] if self._random.random() < 0.1 else name)

    def _abort_named(self, name: str) -> None:
        self._do(Abort(request=name))
        self._guesses.aborted(name)

    def _abort_at_once(self) -> None:
        """A request that is gone before the loop has seen it."""
        self._plain() if self._random.random() < 0.5 or not self._opened else self._second()
        self._abort_named(self._guesses.live()[-1])

    def _close(self) -> None:
        self._close_named(self._random.choice(self._opened))

    def _close_named(self, name: str) -> None:
        self._do(Close(session=name))
        self._guesses.closed(name)
        if self._random.random() < 0.8:
            # Otherwise its next turn finds it closed, or closing.
            self._opened.remove(name)

    def _close_busy(self) -> None:
        busy = [name for name in self._opened if self._guesses.busy(name)]
        if not busy:
            self._turn()
            self._steps(self._random.choice([0, 1, 2]))
            busy = [name for name in self._opened if self._guesses.busy(name)] or self._opened
        self._close_named(self._random.choice(busy))

    def _expire(self) -> None:
        self._do(Expire(session=self._random.choice(self._opened)))
        self._later(0.01)

    def _pause(self) -> None:
        self._do(Retract(rids=None, how="pause"))
        self._guesses.retracted(None)

    def _pause_some(self) -> None:
        self._retract(self._guesses.running(), "pause")

    def _memory(self) -> None:
        running = self._guesses.running()
        if running and self._random.random() < 0.3:
            self._do(Retract(rids=None, how="memory"))
            self._guesses.retracted(None)
        else:
            self._retract(running, "memory")
        self._steps(1)

    def _retract(self, running: list[str], how: Any) -> None:
        if not running:
            return self._step()
        count = 1 if self._random.random() < 0.8 else min(2, len(running))
        rids = tuple(self._random.sample(running, count))
        self._do(Retract(rids=rids, how=how))
        self._guesses.retracted(rids)

    def _refuse(self) -> None:
        waiting = self._guesses.waiting()
        if not waiting or not self._may_refuse():
            return self._step()
        self._do(Refuse(request=self._random.choice(waiting), times=self._random.choice([1, 1, 2])))

    def _may_refuse(self) -> bool:
        """A refusal that finds nothing running is never tried again."""
        return self._guesses.steady() or not self._flavour.careful

    def _reap(self) -> None:
        self._later(self._random.choice([0.12, 0.31, 0.62, 1.13, 2.4]))
        if self._random.random() < 0.5:
            self._actions.append((self._now, REAP))
