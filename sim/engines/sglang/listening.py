"""Listens to one scheduler where requests come by a text and where they let go of memory.

Wrapped, on the instances: `create_req` of each session, and `cache_finished_req` of the prefix cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.engines.sglang.owners import Owners, session_name
from sim.ledger.conversations import Conversations
from sim.ledger.findings import Misread
from sim.ledger.owners import Tag

Who = tuple[str | None, str | None]


class Listening:
    """Whom an event handled, what sessions have said, and which sessions went away."""

    def __init__(self, engine: Any, owners: Owners) -> None:
        self._engine = engine
        self._owners = owners
        self._conversations = Conversations()
        self._sessions: dict[str, Any] = {}
        self.about: list[tuple[Tag, Who]] = []
        self.note: Callable[[Misread], None] = lambda misread: None
        self.releasing: Callable[[Any], None] = lambda req: None
        self._wrap_cache(engine.scheduler.tree_cache)
        if getattr(engine.scheduler, "is_hybrid_ssm", False):
            self._wrap_states(engine.scheduler)

    def handles(self, req: Any) -> None:
        """This event prefills or releases a request."""
        self.about.append((self._owners.request(req), (req.rid, session_name(req))))

    # -- sessions -----------------------------------------------------------------------------------------

    def opened(self) -> None:
        """The newest session, if it is one that has not been seen."""
        sessions = self._engine.scheduler.session_controller.sessions
        for name in reversed(sessions):
            session = sessions[name]
            if self._sessions.get(name) is not session:
                self._sessions[name] = session
                self._wrap_session(session, self._owners.session(session))
            return

    def closed(self) -> dict[Tag, str]:
        """The sessions that went away since the last call, in the order of their opening."""
        sessions = self._engine.scheduler.session_controller.sessions
        if len(sessions) == len(self._sessions):
            return {}
        gone = {name: s for name, s in self._sessions.items() if sessions.get(name) is not s}
        for name, session in gone.items():
            del self._sessions[name]
            tag = self._owners.session(session)
            self._conversations.forget(tag)
            self._owners.forget(tag)
        return {self._owners.session(s): name for name, s in gone.items()}

    def _wrap_session(self, session: Any, tag: Tag) -> None:
        create = session.create_req

        def created(received: Any, *args: Any, **kwargs: Any) -> Any:
            own = len(received.input_ids)
            req = create(received, *args, **kwargs)
            req.owner_tag = tag
            if req.to_finish is None:
                text = req.origin_input_ids
                self._continues(req.rid, session.session_id, tag, text[: len(text) - own])
            return req

        session.create_req = created

    def _continues(self, rid: str, name: str, tag: Tag, history: list[int]) -> None:
        surplus = self._conversations.surplus(tag, np.array(history, dtype=np.int64))
        if surplus is not None:
            what = (
                f"turn {rid} is made from a history of {len(history)} tokens, but session {name} has said "
                f"{len(history) - surplus}: what was aborted, refused or retracted is no part of a conversation"
            )
            self.note(Misread(rid, name, what, surplus or 1, (), "INV-11"))

    # -- states -------------------------------------------------------------------------------------------

    def _wrap_states(self, scheduler: Any) -> None:
        """A state that is freed for the request that was matched last: admission refused it."""
        cache, pool = scheduler.tree_cache, scheduler.req_to_token_pool.mamba_pool
        match, free = cache.match_prefix, pool.free
        matched: list[Any] = [None]

        def matching(params: Any) -> Any:
            matched[0] = getattr(params, "req", None)
            return match(params)

        def freed(slots: Any) -> Any:
            req = matched[0]
            named = None if req is None else req.mamba_pool_idx
            if named is not None and slots.numel() == 1 and int(slots) == int(named):
                self.handles(req)
            return free(slots)

        cache.match_prefix, pool.free = matching, freed

    # -- endings ------------------------------------------------------------------------------------------

    def _wrap_cache(self, cache: Any) -> None:
        finish = cache.cache_finished_req

        def finished(req: Any, *args: Any, **kwargs: Any) -> Any:
            self.handles(req)
            self.releasing(req)
            session = session_name(req)
            result = finish(req, *args, **kwargs)
            slot = None if session is None else cache.slots.get(session)
            if slot is not None and "owner_tag" not in vars(slot):
                slot.owner_tag = self._owners.request(req)
            reason = req.finished_reason
            if reason is not None and type(reason).__name__ != "FINISH_ABORT":
                self._said(req)
            return result

        cache.cache_finished_req = finished

    def _said(self, req: Any) -> None:
        """A request has ended by itself."""
        outputs = getattr(req, "finished_len", None)
        count = len(req.output_ids) if outputs is None else outputs
        text = self._engine.text(req, 0, len(req.origin_input_ids) + count)
        self._conversations.ended(self._owners.request(req), text)
