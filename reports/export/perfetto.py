"""A Perfetto trace: one process for each run, with its scheduler, what was done to it, its faults, books and lives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from reports.events import NAMES, Book, Event
from reports.export.lifetracks import LifeTracks
from reports.export.packets import Counter, Note, Packets, Track
from reports.export.source import Source
from reports.export.timeline import Timeline
from reports.export.verdicttracks import VerdictTracks
from reports.export.whole import optional, whole
from reports.series import TERMS

_ITERATIONS = ("prefill", "decode", "mixed", "idle", "step")
"""The kinds of event that are iterations of the scheduler; `step` is one that raised. All others come from outside."""
_UNITS = {"full": "tokens", "swa": "SWA tokens", "mamba": "states"}
_COUNTERS = (*TERMS, "sum − total", "lost", "extra")


def write_trace(sources: Sequence[Source], path: Path) -> Path:
    """Write the trace of these runs; return its path."""
    messages = optional("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    with whole(path) as file:
        for process, source in enumerate(sources, 1):
            _write_run(source, file, messages, process)
    return path


def _write_run(source: Source, file: IO[bytes], messages: Any, process: int) -> None:
    """All packets of one run, event by event."""
    packets = Packets(file, messages, process)
    root = packets.process(f"{source.scenario}/{source.variant}", source.labels)
    timeline = Timeline()
    loop = _Loop(packets, root)
    verdicts = VerdictTracks(packets, root, source.verdicts or ())
    lives = LifeTracks(packets, root, source.lives())
    books: _Books | None = None
    number = 0
    for event in source.events()[1]:
        number, at = event.number, timeline.tick(event.t)
        loop.event(at, event)
        verdicts.up_to(number, at)
        if books is None:
            books = _Books(packets, root, event.books)
        books.set(at, event)
        timeline.reach(lives.up_to(number, at))
    end = timeline.tick(source.end)
    loop.close(end)
    verdicts.close(end)
    lives.close(end)
    if lives.more:
        path = source.folder / "lives.jsonl"
        source.say(f"{path}: it goes on after event {number}, the last one; exported up to there")


class _Loop:
    """The scheduler's iterations as slices that last until the next event, and what is done from outside."""

    def __init__(self, packets: Packets, root: Track) -> None:
        self._packets = packets
        self._scheduler = packets.track(("scheduler",), root, "scheduler", rank=0)
        self._operations = packets.track(("operations",), root, "operation", rank=1)
        self._open = False

    def event(self, at: int, event: Event) -> None:
        """What one event was."""
        self.close(at)
        notes = _notes(event)
        if event.batch:
            self._packets.begin(self._scheduler, at, event.kind, notes)
            self._open = True
        elif event.kind not in _ITERATIONS:
            self._packets.instant(self._operations, at, event.kind, notes)
        elif event.names or event.check is not None:
            self._packets.instant(self._scheduler, at, event.kind, notes)

    def close(self, at: int) -> None:
        """The iteration has lasted until now."""
        if self._open:
            self._packets.end(self._scheduler, at)
            self._open = False


def _notes(event: Event) -> dict[str, Note]:
    notes: dict[str, Note] = {"event": event.number, "iteration": event.iteration}
    if event.batch:
        notes |= {"batch": event.batch, "tokens": event.tokens}
    for name, value in (("request", event.request), ("session", event.session), ("check", event.check)):
        if value is not None:
            notes[name] = value
    if event.names:
        notes |= {name: event.names[name] for name in NAMES if name in event.names}
    if event.verdicts:
        notes["verdicts"] = event.verdicts
    return notes


class _Books:
    """The figures of each pool, and how many requests run and wait."""

    def __init__(self, packets: Packets, root: Track, books: dict[str, Book]) -> None:
        self._running, self._waiting = (
            packets.counter((name,), root, "requests", rank) for rank, name in enumerate(("running", "waiting"), 4)
        )
        self._last: dict[str, Book] = {}
        self._pools = {
            pool: _counters(packets, root, pool, book, rank) for rank, (pool, book) in enumerate(books.items(), 6)
        }

    def set(self, at: int, event: Event) -> None:
        """As they are after an event."""
        self._running.set(at, event.running)
        self._waiting.set(at, event.waiting)
        for pool, book in event.books.items():
            if book != self._last.get(pool):
                self._last[pool] = book
                for counter, value in zip(self._pools[pool], (*book.terms, *book[1:]), strict=True):
                    counter.set(at, value)


def _counters(packets: Packets, root: Track, pool: str, book: Book, rank: int) -> list[Counter]:
    """The counters of a pool, in the order of its figures."""
    unit = _UNITS[pool]
    group = packets.track((f"pool {pool}",), root, rank=rank, about=f"{book.total} {unit}")
    return [packets.counter((f"{pool} {name}",), group, unit, n) for n, name in enumerate(_COUNTERS)]
