"""A rough idea of who waits and who runs, for choosing names that hit; it knows nothing of memory.

A case is drawn without an engine: it must be the same whatever is tested, and also when the model is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.config import RunConfig
from sim.engines.protocol import Request


@dataclass(slots=True)
class Guess:
    """One request: what is left to prefill, in steps, and to decode, in tokens."""

    request: Request
    prefill: int
    left: float
    stride: float
    running: bool = False


class Guesses:
    """All requests that may be alive."""

    def __init__(self, config: RunConfig) -> None:
        self._knobs = config.scheduler
        self._tokens = config.pool.tokens
        self._live: list[Guess] = []
        self.said: dict[str, int] = {}
        self.gone: list[str] = []

    def submitted(self, request: Request) -> None:
        """It joins the queue."""
        prompt = sum(segment.length for segment in request.prompt)
        chunk = self._knobs.chunked_prefill
        outputs = min(request.max_new, request.stop_at or request.max_new)
        stride = 1.0 if self._knobs.speculative is None else 2.0
        self._live.append(Guess(request, 1 if chunk is None else -(-prompt // chunk), outputs, stride))
        if request.session is not None:
            self.said[request.session] = self.said.get(request.session, 0) + prompt + max(0, outputs)

    def step(self) -> None:
        """An iteration: some prefill, else all decode."""
        running = [g for g in self._live if g.running]
        for guess in self._live:
            if not guess.running and len(running) < self._knobs.max_running and self._room(running, guess):
                guess.running = True
                running.append(guess)
        prefilling = [g for g in running if g.prefill > 0]
        for guess in prefilling:
            guess.prefill -= 1
        if not prefilling or self._knobs.mixed_chunk:
            for guess in running:
                guess.left -= guess.stride
        self._end([g for g in running if g.left <= 0 and g.prefill <= 0])

    def _room(self, running: list[Guess], guess: Guess) -> bool:
        held = sum(s.length for g in (*running, guess) for s in g.request.prompt)
        return held + sum(self.said.values()) // 2 < self._tokens or not running

    def _end(self, ended: list[Guess]) -> None:
        for guess in ended:
            self._live.remove(guess)
            self.gone.append(guess.request.rid)

    def aborted(self, prefix: str) -> None:
        """Whoever's id begins so is gone, soon or at once."""
        self._end([g for g in self._live if g.request.rid.startswith(prefix)])

    def retracted(self, rids: tuple[str, ...] | None) -> None:
        """They wait again."""
        for guess in self._live:
            if rids is None or guess.request.rid in rids:
                guess.running, guess.prefill = False, 1

    def closed(self, session: str) -> None:
        """It has said nothing any more."""
        self.said.pop(session, None)

    def live(self) -> list[str]:
        """All who may be alive."""
        return [g.request.rid for g in self._live]

    def waiting(self) -> list[str]:
        """Who may wait."""
        return [g.request.rid for g in self._live if not g.running]

    def running(self) -> list[str]:
        """Who may run."""
        return [g.request.rid for g in self._live if g.running]

    def steady(self) -> bool:
        """Whether somebody is likely to decode for a while."""
        return any(g.running and g.prefill <= 0 and g.left > 2 * g.stride for g in self._live)

    def busy(self, session: str) -> bool:
        """Whether a turn of this session may be alive."""
        return any(g.request.session == session for g in self._live)
