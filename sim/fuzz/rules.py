"""What may be done to a scheduler: the rules of the state machine, an operation each and some iterations after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from hypothesis.strategies import SearchStrategy

from sim.engines.marks import REAP
from sim.engines.protocol import Request, RetractHow
from sim.fuzz.driven import Driven
from sim.fuzz.strategies import HOWS, SECONDS, TIMEOUTS, requests
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract
from sim.world import Segment

_PATIENT = 40
"""Iterations in which a turn should have come to its end."""
_THEN = st.integers(0, 4)
"""Iterations after an operation."""


def _of_machine(made: Callable[[AccountingMachine], SearchStrategy[Any]]) -> SearchStrategy[Any]:
    """A strategy that depends on what is there."""
    return st.runner().flatmap(made)


def _one_of(name: str) -> SearchStrategy[Any]:
    """One of those that the machine has by this name."""
    return _of_machine(lambda machine: st.sampled_from(getattr(machine, name)))


def _turn(session: str) -> SearchStrategy[Request]:
    return _of_machine(lambda machine: requests(machine.next_rid(session), machine.config, session=session))


class AccountingMachine(Driven):
    """The rules; `accounting_machine` says what is driven."""

    # -- what is done -------------------------------------------------------------------------------------

    @precondition(lambda machine: machine.going and machine.live)
    @rule(count=st.integers(1, 10))
    def step(self, count: int) -> None:
        """Iterations."""
        self._steps(count)

    @precondition(lambda machine: machine.going and machine.closed)
    @rule(session=_one_of("closed"), timeout=st.sampled_from(TIMEOUTS))
    def open(self, session: str, timeout: float | None) -> None:
        """Open a session."""
        self._do(Open(session=session, timeout=timeout))

    @precondition(lambda machine: machine.roomy)
    @rule(request=_of_machine(lambda machine: requests(machine.next_rid(), machine.config)), then=_THEN)
    def submit(self, request: Request, then: int) -> None:
        """An ordinary request."""
        self._submit(request, then)

    @precondition(lambda machine: machine.roomy and machine.gone)
    @rule(request=_one_of("gone"), then=_THEN)
    def again(self, request: Request, then: int) -> None:
        """One that is over, word for word."""
        self._submit(request, then)

    @precondition(lambda machine: machine.roomy and machine.resting)
    @rule(request=_one_of("resting").flatmap(_turn), refused=st.sampled_from((0, 0, 0, 1, 2)), then=st.integers(0, 8))
    def turn(self, request: Request, refused: int, then: int) -> None:
        """The next turn of a session."""
        if refused and self.running:
            self._do(Refuse(request=request.rid, times=refused))
        self._submit(request, then)

    @precondition(lambda machine: machine.roomy and machine.resting)
    @rule(request=_one_of("resting").flatmap(_turn))
    def talk(self, request: Request) -> None:
        """The next turn of a session, from beginning to end."""
        self._submit(request, 0)
        self._steps(_PATIENT, until_over=request.rid)

    @precondition(lambda machine: machine.roomy and machine.opened)
    @rule(request=_one_of("addressed").flatmap(_turn), then=_THEN)
    def second(self, request: Request, then: int) -> None:
        """A turn of a session that may have a live one, or be closed."""
        self._submit(request, then)

    @precondition(lambda machine: machine.roomy)
    @rule(
        session=_of_machine(lambda machine: st.sampled_from((*machine.opened, None))),
        more=st.sampled_from((0, 3, 0, 3, -1)),
        then=_THEN,
    )
    def overlong(self, session: str | None, more: int, then: int) -> None:
        """A prompt about as long as the limit."""
        rid = self.next_rid(session)
        prompt = (Segment(name=rid, length=max(1, self.config.max_req_input_len + more)),)
        self._submit(Request(rid=rid, prompt=prompt, max_new=4, session=session), then)

    @precondition(lambda machine: machine.going and machine.live)
    @rule(request=_one_of("live"), then=_THEN)
    def abort(self, request: str, then: int) -> None:
        """Abort a request, in the queue or running; and all whose names begin like it."""
        self._do(Abort(request=request), then)

    @precondition(lambda machine: machine.going and machine.live)
    @rule(request=_one_of("live"), then=_THEN)
    def abort_alike(self, request: str, then: int) -> None:
        """Abort all turns of its session, or all ordinary requests."""
        self._do(Abort(request=request[0]), then)

    @precondition(lambda machine: machine.going and machine.running)
    @rule(request=_one_of("running"), how=st.sampled_from(HOWS), then=_THEN)
    def retract(self, request: str, how: RetractHow, then: int) -> None:
        """Send a running request back to the queue."""
        self._do(Retract(rids=(request,), how=how), then)

    @precondition(lambda machine: machine.going and machine.running)
    @rule(how=st.sampled_from(HOWS), then=_THEN)
    def retract_all(self, how: RetractHow, then: int) -> None:
        """Send all of them back."""
        self._do(Retract(rids=None, how=how), then)

    # A refusal while nothing runs is never tried again: all that follows would wait.
    @precondition(lambda machine: machine.going and machine.waiting and machine.running)
    @rule(request=_one_of("waiting"), times=st.integers(1, 2), then=_THEN)
    def refuse(self, request: str, times: int, then: int) -> None:
        """Let a waiting request find no memory."""
        self._do(Refuse(request=request, times=times), then)

    @precondition(lambda machine: machine.going and machine.opened)
    @rule(session=_one_of("opened"), then=_THEN)
    def close(self, session: str, then: int) -> None:
        """Close a session, whatever it does."""
        self._do(Close(session=session), then)

    @precondition(lambda machine: machine.going and machine.opened)
    @rule(session=_one_of("opened"), then=_THEN)
    def expire(self, session: str, then: int) -> None:
        """Let a session have been silent for too long; the reaper sees it when time passes."""
        self._do(Expire(session=session), then)

    @precondition(lambda machine: machine.going)
    @rule(seconds=st.sampled_from(SECONDS), look=st.booleans())
    def wait(self, seconds: float, look: bool) -> None:
        """Let time pass."""
        self._now = round(self._now + seconds, 9)
        if look:
            self._do(REAP)

    @precondition(lambda machine: not machine.going)
    @rule()
    def nothing(self) -> None:
        """After a crash that is known nothing can be done."""
