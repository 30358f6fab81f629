"""The wrapper that lets sessions keep their row and private slots between turns.

turn ends   row and [p, a) move from the request into the slot
turn begins the slot lends them; the row is overwritten from the resumed prefix on
close       [p, a) and the row go back, the tree is unlocked
"""

from __future__ import annotations

from sim.engines.protocol import EngineCrash
from sim.memory.tree import Node
from sim.scheduler.cache import PrefixCache
from sim.scheduler.memory import Memory
from sim.scheduler.request import Req
from sim.scheduler.session import SessionSlot, VirtualNode


class StreamingCache:
    """Session slots in front of the prefix cache; ordinary requests pass through."""

    def __init__(self, memory: Memory, inner: PrefixCache) -> None:
        self.memory = memory
        self.release = memory.release
        self.inner = inner
        self.slots: dict[str, SessionSlot] = {}

    # -- matching -----------------------------------------------------------------------------------------

    def match(self, req: Req, key_len: int) -> None:
        """Reuse the slot of the request's session, or the tree."""
        slot = self._slot_to_restore(req)
        if slot is None:
            self.inner.match(req, key_len)
            return
        self._restore(slot, req)
        self.release.held.restored(slot)
        prefix = self.release.tail.prefix(req.committed, key_len, slot.protected)
        self.release.tail.resumed(self, slot, req, prefix)
        self._posted(req)
        assert slot.row is not None
        req.prefix = self.memory.rows.read(slot.row, 0, prefix)
        req.last_node = slot.virtual_node
        req.protected = slot.protected

    def _slot_to_restore(self, req: Req) -> SessionSlot | None:
        if req.session is None:
            return None
        slot = self.slots.get(req.session.name)
        if slot is None or not slot.holding:
            return None
        if req.to_finish is not None and not self.release.preabort.restores(self, req):
            return None
        return slot

    def _restore(self, slot: SessionSlot, req: Req) -> None:
        """Lend the slot; a state that the turn was copied earlier loses its name."""
        copied = req.state.slot if req.state is not None else None
        slot.restore(req)
        if req.state is None:
            return
        req.state.branching = None
        if copied is not None and copied != req.state.slot and self.memory.states is not None:
            self.memory.states.lose([copied], req.tag, f"request {req.rid} was lent the state of its session")

    def lock(self, node: Node | VirtualNode | None) -> int | None:
        """As the inner cache; a virtual node needs no lock. Returns where a windowed lock ends."""
        return None if isinstance(node, VirtualNode) else self.inner.lock(node)

    def unlock(self, node: Node | VirtualNode | None, mark: int | None = None) -> None:
        """As the inner cache; a virtual node has no lock."""
        if not isinstance(node, VirtualNode):
            self.inner.unlock(node, mark)

    # -- the end of a turn --------------------------------------------------------------------------------

    def cache_finished(self, req: Req, insert: bool) -> None:
        """A request ends or is retracted."""
        session = req.session
        if session is None:
            self.inner.cache_finished(req, insert)
            return
        release = self.release
        slot = self.slots.get(session.name)
        if req.finish is not None and req.finish.aborted and release.abort.finish(self, req, slot):
            return
        first = slot is None
        if slot is None:
            slot = self.slots[session.name] = SessionSlot(session.tag)
        release.overshoot.trim(self, req)
        slot.save(req, first)
        req.counted = not req.freed and release.held.counts_rowless
        release.held.saved(slot)
        release.tail.released(self, slot)
        self.memory.book.post(session.name, slot)
        release.history.finished(session, req)
        release.flags.mark(req)

    def cache_unfinished(self, req: Req, chunked: bool) -> None:
        """A prefill, or a chunk of one, is done."""
        session = req.session
        if session is not None:
            if chunked:
                assert req.row is not None
                req.prefix = self.memory.rows.read(req.row, 0, req.fill_len)
                return
            if session.name in self.slots:
                return
        self.inner.cache_unfinished(req, chunked)

    # -- releasing ----------------------------------------------------------------------------------------

    def release_session(self, name: str, *, row_in_use: bool = False) -> None:
        """Give back all that a session holds."""
        slot = self.slots.pop(name, None)
        if slot is None:
            return
        if slot.last_node is not None:
            self.inner.unlock(slot.last_node, slot.mark)
        if slot.row is not None:
            memory = self.memory
            if slot.protected < slot.allocated:
                slots = memory.rows.read(slot.row, slot.protected, slot.allocated)
                memory.allocator.free(slots, slot.tag)
            if not row_in_use:
                memory.lose_names(slot.row, 0, slot.tag, "its row was handed back")
            memory.rows.give_back(slot.row, slot.tag)
        self.release.leftover.closed(self.memory, slot, in_use=row_in_use)
        self.memory.book.post(name, None)

    def free_from(self, row: int, start: int, stop: int, owner: int) -> None:
        """Free row positions [ceil(start), stop): whole pages only, the page that holds `start` stays."""
        memory = self.memory
        start = memory.ceil(start)
        if start < stop:
            memory.allocator.free(memory.rows.read(row, start, stop), owner)

    def _posted(self, req: Req) -> None:
        if req.session is not None:
            self.memory.book.post(req.session.name, self.slots[req.session.name])


def require(condition: bool, message: str, *, place: str | None = None) -> None:
    """An assertion of the release under test; where it has no words, `place` is the function of the release."""
    if not condition:
        raise EngineCrash("AssertionError", message, () if place is None else (place,))
