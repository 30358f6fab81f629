"""What happens to a request when it arrives: its prompt is put together, it is validated, it is queued."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from sim.config import RunConfig
from sim.engines.protocol import Request
from sim.ledger.owners import REQUEST, Tag
from sim.memory.states import StateNames
from sim.scheduler.controller import SessionController
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.session import Session
from sim.scheduler.table import ReqTable
from sim.world import Ints, key_of, text


class Arrivals:
    """Turns a request that a client sends into one that the scheduler can queue."""

    def __init__(
        self, config: RunConfig, memory: Memory, table: ReqTable, controller: SessionController,
        queue: Callable[[Req], None], continues: Callable[[str, Session, Ints], None],
    ) -> None:  # fmt: skip
        self._config = config
        self._memory = memory
        self._table = table
        self._controller = controller
        self._queue = queue
        self._continues = continues
        self._serial = 0

    def _make(self, spec: Request, origin: Ints, tag: Tag | None) -> Req:
        self._serial += 1
        if tag is None:
            tag = self._memory.ledger.tag(REQUEST, spec.rid)
        req = Req(self._table, spec, origin, key_of(self._config.seed, spec.rid), tag, self._serial)
        if self._memory.states is not None:
            req.state = StateNames()
        return req

    def take(self, spec: Request, now: float) -> Req:
        """Make and queue the request; one that is refused still runs a one-token prefill."""
        prompt = text(self._config.seed, spec.prompt)
        session = self._controller.sessions.get(spec.session) if spec.session is not None else None
        if spec.session is None:
            req = self._make(spec, prompt, None)
        elif session is not None and not (
            session.close_on_finish and self._memory.release.checks.refuses_closing
        ):
            req = self._turn(spec, prompt, session, now)
        else:
            why = "close was requested for session" if session is not None else "session id"
            end = "" if session is not None else " does not exist"
            req = self._make(spec, prompt, None)
            req.priority = None
            req.abort_before_start(f"Invalid request: {why} {spec.session}{end}")
        req.clamp_max_new(self._config.max_req_len - req.prompt_len - 1)
        most = self._config.max_req_input_len
        if req.prompt_len >= most:
            req.abort_before_start(
                f"Input length ({req.prompt_len} tokens) exceeds the maximum allowed length ({most} tokens). "
                "Use a shorter input or enable --allow-auto-truncate."
            )
        self._queue(req)
        return req

    def _turn(self, spec: Request, prompt: Ints, session: Session, now: float) -> Req:
        history = self._memory.release.history
        session.last_active = now
        refused = history.refuse(session)
        if refused is None:
            text_so_far = session.history()
            self._continues(spec.rid, session, text_so_far)
            prompt = np.concatenate((text_so_far, prompt))
        req = self._make(spec, prompt, session.tag)
        req.session = session
        if refused is None:
            history.created(session, req)
        else:
            req.abort_before_start(refused)
        return req


def default_priority(low_first: bool) -> int:
    """What a request without a priority counts as under priority scheduling."""
    return sys.maxsize if low_first else -sys.maxsize - 1
