"""What the worker sees of a real scheduler's memory after each event, as plain data for the judge in the other process.

Everything comes from the tensors, the tree and the rows; of the release's checker it only says what it claims. The
pool is recounted after every event while it is small, else when the books moved, when nothing runs, and as `--audit`
says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sim.engines.protocol import Terms
from sim.engines.sglang.canary import Canary
from sim.engines.sglang.cursors import Cursors
from sim.engines.sglang.listening import Listening
from sim.engines.sglang.memory import Memory
from sim.engines.sglang.miscounts import miscounts
from sim.engines.sglang.owners import Owners, session_name
from sim.engines.sglang.recount import Recount
from sim.engines.sglang.snapshots import parked
from sim.ledger.findings import Breach, PoolCount
from sim.ledger.owners import Tag

SMALL = 8_192
"""Pages up to which a recount costs about what an iteration of the release does."""
_IDLE_RECOUNT_UNITS = 200_000
_ENDINGS = ("close", "reap")


class Watch:
    """Watches one engine; `observe` comes after every operation that is an event."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._scheduler = engine.scheduler
        self._audit = engine.config.audit
        self._owners = Owners(engine.scheduler)
        self._memory = Memory(engine, self._owners)
        self._listening = Listening(engine, self._owners)
        self._canary = Canary(engine, self._memory, self._listening.handles)
        self._listening.note = self._canary.note
        self._listening.releasing = self._releasing
        self._cursors = Cursors(engine, self._memory)
        self._recount = Recount(self._memory, self._owners)
        self._others = {
            pool: Recount(self._memory, self._owners, pool, tally) for pool, tally in self._memory.others().items()
        }
        self._small = self._memory.units <= SMALL
        self._books: dict[str, Terms] = {}
        self._tells = True
        self._delta = dict.fromkeys(engine.config.pool.names, 0)
        self._error = dict(self._delta)
        self._harmed = False
        self._events = self._looked_at = 0
        self._chosen: tuple[int, Any] = (0, None)
        engine.canary = self._canary

    def observe(self, op: str) -> dict[str, Any]:
        """What there is to say after an operation of this kind."""
        self._events += 1
        seen: dict[str, Any] = {"iteration": self._engine.iteration}
        terms = self._terms()
        if self._tells:
            seen["terms"] = {pool: list(values) for pool, values in terms.items()}
        if op == "open":
            self._listening.opened()
        chosen = self._chose()
        thorough = self._thorough(op)
        moved = any(terms[pool].delta != delta for pool, delta in self._delta.items())
        if thorough or self._small or moved or op in _ENDINGS:
            self._count(seen, op, terms)
        if chosen and not self._half_way(seen):
            seen["chosen"] = True
        breaches = self._breaches(thorough)
        if breaches:
            seen["breaches"] = breaches
        self._texts(seen, "misreads")
        if thorough:
            self._looked_at = self._events
            self._canary.read_back(self._scheduler.session_controller.sessions)
            self._texts(seen, "reread")
        self._whom(seen)
        if self._engine.waiting:
            first = parked(self._scheduler) or self._scheduler.waiting_queue[0]
            short = self._scheduler.listener.short
            seen["waiting"] = [first.rid, session_name(first), self._engine.waiting, short]
        return seen

    def _thorough(self, op: str) -> bool:
        """Whether locks and texts are looked at too: where the model recounts."""
        if op == "finish" or self._audit == "event":
            return True
        if op != "step":
            return False
        if self._audit == "step":
            return True
        since = self._events - self._looked_at
        large = self._memory.units > _IDLE_RECOUNT_UNITS and since <= self._memory.units // 100
        return bool(self._engine.idle) and not large

    def _terms(self) -> dict[str, Terms]:
        """What the books say; a release that has crashed half-way may not be able to tell: then what they said last."""
        try:
            self._books, self._tells = self._engine.terms(), True
        except Exception:
            if not self._books:
                raise
            self._tells = False
        return self._books

    # -- who owns what ------------------------------------------------------------------------------------

    def _count(self, seen: dict[str, Any], op: str, books: dict[str, Terms]) -> None:
        tally, rows = self._memory.count()
        others = self._memory.others() if self._others else {}
        closed = self._listening.closed() if op in _ENDINGS else {}
        if closed and op == "reap":
            seen["about"] = [None, list(closed.values())[-1]]
        working = self._working() if closed else set()
        under = {tag: name for tag, name in closed.items() if tag in working}
        faults = self._recount.compare(tally, rows, self._listening.about, under)
        touched = self._recount.touched
        for pool, other in others.items():
            faults += self._others[pool].compare(other, rows, self._listening.about, under)
            touched |= self._others[pool].touched
        if faults:
            seen["faults"] = faults
        if touched:
            seen["touched"] = True
            self._harmed = True
        counts = {"full": tally.count("full"), **{pool: other.count(pool) for pool, other in others.items()}}
        seen["counts"] = {count.pool: _plain(count) for count in (*counts.values(), rows)}
        for pool, terms in books.items():
            error = terms.delta - counts[pool].error
            # Only while the books are off by another amount than the memory is there somebody to be named.
            if self._tells and error not in (0, self._error[pool]):
                wrong = miscounts(self._engine, self._memory, self._owners, pool)
                seen.setdefault("miscounts", []).extend(asdict(miscount) for miscount in wrong)
            self._delta[pool], self._error[pool] = terms.delta, error

    def _working(self) -> set[Tag]:
        """Owners of the requests that are at work, as far as they have not ended."""
        reqs = self._memory.at_work()
        return {self._owners.request(r) for r in reqs if r.req_pool_idx is not None and not r.finished()}

    def _chose(self) -> bool:
        """Whether a batch was chosen in this event, and all that it needs was allocated and written down."""
        (launches, batch), current = self._chosen, self._scheduler.cur_batch
        self._chosen = (self._canary.launches, current)
        if launches != self._canary.launches:
            return True
        if current is batch:
            return False
        if current is not None and current.forward_mode.is_extend():
            # It has crashed before the batch was launched: rows were written all the same.
            for req in current.reqs:
                self._listening.handles(req)
        return True

    def _half_way(self, seen: dict[str, Any]) -> bool:
        """Whether the release has died while it freed what requests had, and nothing but that went wrong."""
        handed = self._memory.handing_on()
        return bool(handed) and all((fault["request"], fault["session"]) in handed for fault in seen.get("faults", ()))

    def _texts(self, seen: dict[str, Any], key: str) -> None:
        if self._canary.misreads:
            seen[key] = [asdict(misread) for misread in self._canary.misreads]
            self._canary.misreads.clear()

    def _releasing(self, req: Any) -> None:
        """Before anything has gone wrong nobody else can have written where a request that ends has."""
        if self._harmed:
            self._canary.ended(req)

    def _whom(self, seen: dict[str, Any]) -> None:
        """Whom the event was about last."""
        about = self._listening.about
        if about:
            seen["about"] = list(about[-1][1])
            about.clear()

    def _breaches(self, thorough: bool) -> list[dict[str, Any]]:
        found = list(self._cursors.requests())
        found += self._cursors.slots(self._slots_to_look_at(thorough))
        if thorough:
            found += self._cursors.locks()
        return [_breach(breach) for breach in found]

    def _slots_to_look_at(self, thorough: bool) -> Iterable[str]:
        """Those of the sessions whose turns this event handled; now and then all of them."""
        if thorough or self._small:
            return list(self._memory.slots())
        return {session for _, (_, session) in self._listening.about if session is not None}


def _plain(count: PoolCount) -> dict[str, Any]:
    return {
        "lost": count.lost, "extra": count.extra, "lost_units": list(count.lost_units),
        "shared_units": list(count.shared_units),
    }  # fmt: skip


def _breach(breach: Breach) -> dict[str, Any]:
    return asdict(breach)
