"""Verdicts in a trace: the cause, where the release's own checks see it, and the flow from one to the other."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop

from reports.data import Verdict
from reports.export.packets import Note, Packets, Track

_CAUSE, _SEEN = 0, 1


class VerdictTracks:
    """Causes on one track, detections on another, each at its event."""

    def __init__(self, packets: Packets, root: Track, verdicts: Iterable[Verdict]) -> None:
        self._packets = packets
        self._verdicts = tuple(verdicts)
        self._tracks = (
            packets.track(("causes",), root, "cause", rank=2, about="the first posting that went wrong"),
            packets.track(("checks",), root, "check", rank=3, about="where the release's own checks see it"),
        )
        self._due = [(v.began, _CAUSE, n) for n, v in enumerate(self._verdicts)]
        self._due += [(max(v.seen, v.began), _SEEN, n) for n, v in enumerate(self._verdicts) if v.seen is not None]
        heapify(self._due)

    def up_to(self, event: int, at: int) -> None:
        """Tell what belongs to events up to this one."""
        while self._due and self._due[0][0] <= event:
            _, role, number = heappop(self._due)
            self._tell(role, number, at)

    def close(self, at: int) -> None:
        """At the end: what no event was left for, and what was never seen."""
        while self._due:
            _, role, number = heappop(self._due)
            self._tell(role, number, at)
        for number, verdict in enumerate(self._verdicts):
            if verdict.seen is None:
                self._packets.instant(self._tracks[_SEEN], at, "never seen", _notes(number, verdict))

    def _tell(self, role: int, number: int, at: int) -> None:
        verdict = self._verdicts[number]
        name = verdict.verdict if role == _CAUSE else verdict.detected_by or "seen"
        flow = "" if verdict.seen is None else str(number)
        notes = _notes(number, verdict)
        if role == _CAUSE:
            notes |= _cause(verdict)
        else:
            notes["latency_events"] = verdict.latency_events or 0
        self._packets.instant(self._tracks[role], at, name, notes, flow=flow, ends=role == _SEEN)


def _notes(number: int, verdict: Verdict) -> dict[str, Note]:
    """What is said of a verdict wherever it is told."""
    texts = {name: getattr(verdict, name) for name in ("invariant", "request", "session")}
    return {
        "index": number,
        "verdict": verdict.verdict,
        "pool": verdict.pool,
        "size": verdict.size,
        "event": verdict.event,
        **{name: text for name, text in texts.items() if text is not None},
        "message": verdict.message,
    }


def _cause(verdict: Verdict) -> dict[str, Note]:
    cause = verdict.cause
    if cause is None:
        return {}
    notes: dict[str, Note] = {"cause": cause.what, "cause_event": cause.event}
    for name in ("op", "request", "session"):
        text = getattr(cause, name)
        if text is not None:
            notes[f"cause_{name}"] = text
    return notes | ({"cause_slots": cause.slots} if cause.slots else {})
