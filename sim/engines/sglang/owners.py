"""Who can own memory of a release: its sessions and its requests, by the tags that the ledger uses.

A turn is owned by its session, also when the session has been closed under it or taken away from it: row and slot are
one owner from the turn's first token on.
"""

from __future__ import annotations

from typing import Any

from sim.ledger.owners import REQUEST, SESSION, Ledger, Tag


class Owners:
    """Tags are kept on the release's own objects, so that they live as long as these."""

    def __init__(self, scheduler: Any) -> None:
        self._ledger = Ledger()
        self._controller = scheduler.session_controller

    def session(self, session: Any) -> Tag:
        """The tag of a session; opened again under the same name it is another."""
        tag: Tag | None = vars(session).get("owner_tag")
        if tag is None:
            tag = session.owner_tag = self._ledger.tag(SESSION, session.session_id)
        return tag

    def slot(self, name: str, slot: Any) -> Tag:
        """The tag of what a session holds: of the one whose turn left it there, even if another has its name now."""
        tag: Tag | None = vars(slot).get("owner_tag")
        if tag is None:
            session = self._controller.sessions.get(name)
            tag = self._ledger.tag(SESSION, name) if session is None else self.session(session)
            slot.owner_tag = tag
        return tag

    def request(self, req: Any) -> Tag:
        """The tag of a request: its session's, if it was ever a turn."""
        tag: Tag | None = vars(req).get("owner_tag")
        if tag is None:
            session = req.session
            tag = self._ledger.tag(REQUEST, req.rid) if session is None else self.session(session)
            req.owner_tag = tag
        return tag

    def forget(self, tag: Tag) -> None:
        """This owner is gone; its name is kept for a while."""
        self._ledger.forget(tag)

    def names(self, tag: Tag) -> tuple[str | None, str | None]:
        """The request, or the session, that a tag stands for."""
        name = self._ledger.named(tag)
        return (None, name) if tag & 3 == SESSION else (name, None)

    def words(self, tag: Tag) -> str:
        """An owner in words."""
        return self._ledger.name(tag)


def session_name(req: Any) -> str | None:
    """The session that a request of the release is a turn of."""
    return None if req.session is None else req.session.session_id
