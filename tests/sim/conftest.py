"""A scheduler of a few lines and a scripted auditor: enough to test what drives, records and judges."""

from __future__ import annotations

from collections import Counter

import pytest
from helpers import commandline

from sim.engines.protocol import EngineCrash, Progress, SessionState, Snapshot, StepReport, Terms
from sim.ledger.verdicts import Cause, Verdict


class TinyEngine:
    """Prefills whatever fits in `tokens`, then decodes one token of each request per iteration."""

    def __init__(self, tokens: int = 1000, crash_at: int | None = None) -> None:
        self.tokens = tokens
        self.crash_at = crash_at
        self.now = 0.0
        self.iteration = 0
        self.calls: list[tuple] = []
        self.queue: list = []
        self.batch: dict[str, list] = {}
        self.states: dict[str, str] = {}
        self.decoded: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.sessions: dict[str, float | None] = {}
        self.expired: set[str] = set()
        self.touched: dict[str, float] = {}
        self.barren = 0

    def advance(self, now):
        self.now = now
        late = [
            s for s, limit in self.sessions.items() if limit is not None and now - self.touched[s] > limit
        ]
        closed = tuple(s for s in self.sessions if s in late or s in self.expired)
        for session in closed:
            self.close(session)
        self.expired.clear()
        return closed

    def open(self, session, timeout=None):
        self.calls.append(("open", session, self.now))
        self.sessions[session] = timeout
        self.touched[session] = self.now
        return True

    def submit(self, request):
        self.calls.append(("submit", request.rid, self.now))
        self.queue.append(request)
        self.states[request.rid] = "queued"
        self.touched[request.session] = self.now

    def abort(self, rid):
        self.calls.append(("abort", rid, self.now))
        for request in [r for r in self.queue if r.rid.startswith(rid)]:
            self.queue.remove(request)
            self.states[request.rid] = "aborted"
        for name, entry in self.batch.items():
            if name.startswith(rid):
                entry[1] = "abort"

    def close(self, session):
        self.calls.append(("close", session, self.now))
        self.sessions.pop(session, None)

    def expire(self, session):
        self.calls.append(("expire", session, self.now))
        self.expired.add(session)

    def retract(self, rids, how):
        self.calls.append(("retract", rids, self.now))

    def refuse(self, rid, times):
        self.calls.append(("refuse", rid, self.now))
        self.refusals[rid] += times

    def step(self):
        self.iteration += 1
        if self.iteration == self.crash_at:
            raise EngineCrash("RuntimeError", "Decode out of memory")
        report = self._prefill() or self._decode()
        self.barren = 0 if report.progressed else self.barren + 1
        return report

    def _prefill(self):
        added, refused = [], []
        for request in list(self.queue):
            if self.refusals[request.rid]:
                self.refusals[request.rid] -= 1
                refused.append(request.rid)
            elif self.used + self._size(request) <= self.tokens:
                self.queue.remove(request)
                self.batch[request.rid] = [request, None]
                self.states[request.rid] = "decode"
                added.append(request)
        self._refused = tuple(refused)
        if not added:
            return None
        tokens = sum(self._size(r) - r.max_new for r in added)
        return StepReport(self.iteration, "prefill", len(added), tokens, 0, refused=self._refused)

    def _decode(self):
        if not self.batch:
            return StepReport(self.iteration, "idle", 0, 0, 0, refused=self._refused, progressed=False)
        size, finished, aborted = len(self.batch), [], []
        for rid, (request, wish) in list(self.batch.items()):
            self.decoded[rid] += 1
            if wish or self.decoded[rid] >= request.max_new:
                del self.batch[rid]
                self.states[rid] = "aborted" if wish else "finished"
                (aborted if wish else finished).append(rid)
        return StepReport(self.iteration, "decode", size, 0, size, tuple(finished), tuple(aborted))

    @staticmethod
    def _size(request):
        return sum(s.length for s in request.prompt) + request.max_new

    @property
    def used(self):
        return sum(self._size(request) for request, _ in self.batch.values())

    def terms(self):
        return Terms(self.tokens - self.used, 0, 0, 0, self.used, self.tokens)

    def snapshot(self):
        sessions = tuple(SessionState(s, 1, 26, 26, 20, 0, 26, False, False) for s in self.sessions)
        return Snapshot(
            {"full": self.terms()},
            7,
            tuple(r.rid for r in self.queue),
            tuple(self.batch),
            None,
            None,
            sessions,
        )

    def progress(self, rid):
        return Progress(self.states.get(rid, "unknown"), 0, self.decoded[rid])

    @property
    def idle(self):
        return not self.batch and self.barren >= 2

    @property
    def waiting(self):
        return len(self.queue)

    @property
    def running(self):
        return len(self.batch)

    def next_reap(self):
        times = [self.touched[s] + limit for s, limit in self.sessions.items() if limit is not None]
        return min([*times, self.now] if self.expired else times, default=None)


class ScriptedAuditor:
    """Opens the verdicts that a test asks for, at the events it asks for."""

    def __init__(self, engine: TinyEngine, script: dict[int, list] | None = None) -> None:
        self.engine = engine
        self.script = script or {}
        self.verdicts: list = []
        self.unlisted = 0
        self.checks = 0
        self.finished = False
        self._event = 0

    def begin(self, event, time, kind, *, request=None, session=None):
        self._event = event

    def end(self):
        self.checks += 1
        opened = tuple(self.script.get(self._event, ()))
        self.verdicts += opened
        return opened

    def crash(self, error, *, look=True):
        self.verdicts.append(a_verdict(verdict="crash", event=self._event, message=str(error)))
        return self.verdicts[-1]

    def stuck(self, message):
        self.verdicts.append(a_verdict(verdict="stuck", event=self._event, message=message))
        return self.verdicts[-1]

    def finish(self):
        self.finished = True

    def books(self):
        return {"full": self.engine.terms()}

    def loss(self):
        return (0, 0)


def a_verdict(**fields):
    """A verdict of one lost token, changed by `fields`."""
    cause = Cause("row 3 forgets slot 17", 40, 20, 0.4, "step", "a/1", "a", [17], 1)
    values = {
        "verdict": "leak", "pool": "full", "size": -1, "event": 41, "iteration": 21, "time": 0.41,
        "request": "a/1", "session": "a", "invariant": "INV-1", "detected_by": "busy check",
        "detected_event": 44, "detected_iteration": 22, "message": "one slot is lost",
    } | fields  # fmt: skip
    return Verdict(**values, cause=cause)


@pytest.fixture
def tiny_engine():
    return TinyEngine


@pytest.fixture
def scripted_auditor():
    return ScriptedAuditor


@pytest.fixture
def make_verdict():
    return a_verdict


place = commandline.place
kvledger = commandline.kvledger
