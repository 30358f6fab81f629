"""Ten policies of a user's, each with one fault that no release had: what the fuzzer must find."""

from __future__ import annotations

from policies.abort import Nuke
from policies.admission import Admission11
from policies.closing import Deferred
from policies.held import ActiveRows
from policies.leftover import Freed
from policies.overshoot import Capped
from policies.revert import Ordinary
from policies.tail import FreedAtResume
from policies.victims import FewestOutput
from policies.window import Window11


class AbortForgetsAToken(Nuke):
    """The last token that an aborted turn has allocated is not freed with the others."""

    def finish(self, cache, req, slot):
        req.allocated = max(req.allocated - 1, 0)
        return super().finish(cache, req, slot)


class AdmissionCountsOnMore(Admission11):
    """Admission lets in what would fit if each request gave back a few pages."""

    def page_reserve(self, page_size):
        return -4 * page_size


class CloseForgetsTheRow(Deferred):
    """The slot of a session that closes lets go of its row before it is freed."""

    def close(self, controller, session):
        cache = controller.cache
        slot = cache.slots.get(session.name)
        if slot is not None and not session.inflight:
            slot.row = None
            cache.memory.book.post(session.name, slot)
        super().close(controller, session)


class HeldMissesATokenOfMany(ActiveRows):
    """One token too few as soon as two sessions hold something."""

    def tokens(self, book, active_rows):
        return super().tokens(book, active_rows) - (book.holding > 1)


class OvershootCutAtProtected(Capped):
    """What is trimmed begins where the tree's part ends, not where the text does."""

    def trim(self, cache, req):
        length = req.out if req.finished_len is None else req.finished_len
        if req.allocated <= req.prompt_len + length:
            return super().trim(cache, req)
        cache.free_from(req.row, req.protected, req.allocated, req.tag)
        req.allocated = req.committed = req.protected
        req.cut_output(length)


class RefusalTakesTheRow(Ordinary):
    """A turn that is refused gives back the row that its session lent it."""

    def refused(self, memory, req):
        super().refused(memory, req)
        if req.session is not None and req.row is not None:
            memory.rows.give_back(req.row, req.tag)


class StatesFreedTwice(Freed):
    """The states of a session that closes are freed, and freed again."""

    def closed(self, memory, slot, *, in_use):
        super().closed(memory, slot, in_use=in_use)
        super().closed(memory, slot, in_use=in_use)


class TailFreedOnePageEarly(FreedAtResume):
    """The page in which the resumed prefix ends is given back with the tail."""

    def resumed(self, cache, slot, req, prefix):
        super().resumed(cache, slot, req, max(prefix - cache.memory.page_size, slot.protected))
        slot.allocated = slot.committed = req.allocated = req.committed = prefix


class VictimsGoShort(FewestOutput):
    """Of what the first victim has allocated the last token is forgotten before it is given back."""

    def order(self, reqs, speculative):
        order = super().order(reqs, speculative)
        victim = reqs[order[-1]]
        victim.allocated = max(victim.allocated - 1, 0)
        victim.committed = min(victim.committed, victim.allocated)
        return order


class WindowReachedInto(Window11):
    """The last token that is given back is one that the window still shows."""

    def margin(self, page_size):
        return -1
