"""The events of a run, read from events.jsonl one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from reports.lines import FIVE, TEXT, TEXTS, TIME, WHOLE, WHOLES, Line, Rule, Say, read_lines
from reports.series import POOLS

NAMES = ("finished", "aborted", "retracted", "refused", "closed")
"""The lists of names that an event may have."""
_TRUTH = ("delta", "lost", "extra")
_FAULTS = {pool: tuple(n if pool == "full" else f"{pool}_{n}" for n in _TRUTH) for pool in POOLS}
_REQUIRED = ("event", "t", "it", "kind", "running", "waiting")
_RULES: dict[str, Rule] = {
    **dict.fromkeys(("event", "it", "batch", "tokens", "running", "waiting"), WHOLE),
    **dict.fromkeys(chain.from_iterable(_FAULTS.values()), WHOLE),
    **dict.fromkeys(("kind", "request", "session", "check"), TEXT),
    **dict.fromkeys(NAMES, TEXTS),
    **dict.fromkeys(POOLS, FIVE),
    "t": TIME,
    "verdicts": WHOLES,
}


class Book(NamedTuple):
    """One pool after an event: its five terms, their sum less the total, and what is true."""

    terms: tuple[int, int, int, int, int]
    delta: int
    lost: int
    extra: int

    @property
    def total(self) -> int:
        """The pool's size."""
        return sum(self.terms) - self.delta


class Event(NamedTuple):
    """One line of events.jsonl."""

    number: int
    t: float
    iteration: int
    kind: str
    request: str | None
    session: str | None
    batch: int
    tokens: int
    books: dict[str, Book]
    running: int
    waiting: int
    check: str | None
    names: dict[str, list[str]]
    verdicts: list[int]


def read_events(
    path: Path, say: Say, of: int | None = None, done: str = "shown"
) -> tuple[tuple[str, ...], Iterator[Event]]:
    """The pools of a run, which its first event tells, and all its events.

    Where there are less than `of`, what is `done` with them is said with how many there are.
    """
    events = _all_of(of, done, path, say)
    first = next(events, None)
    if first is None:
        return (), events
    return tuple(first.books), chain((first,), events)


def _all_of(of: int | None, done: str, path: Path, say: Say) -> Iterator[Event]:
    there = 0
    for there, event in enumerate(_events(path, say), 1):  # noqa: B007
        yield event
    if of is not None and there < of:
        say(f"{path}: {there} of {of} events are there; {done} up to there")


def _events(path: Path, say: Say) -> Iterator[Event]:
    pools: tuple[str, ...] | None = None
    number, time = -1, 0.0
    for line in read_lines(path, say):
        line.check(_RULES, _REQUIRED)
        event = _event(line)
        if event.number <= number:
            raise line.wrong("event", f"event {event.number} comes after event {number}")
        if event.t < time:
            raise line.wrong("t", f"t goes back from {time} to {event.t}")
        if pools is None:
            pools = tuple(event.books)
        elif pools != tuple(event.books):
            had, has = (" and ".join(p) or "none" for p in (pools, tuple(event.books)))
            raise line.wrong("", f"the pools here are {has}, before they were {had}")
        number, time = event.number, event.t
        yield event


def _event(line: Line) -> Event:
    data = line.data
    get = data.get
    books = {}
    for pool in POOLS:
        if pool in data:
            delta, lost, extra = _FAULTS[pool]
            books[pool] = Book(tuple(data[pool]), get(delta, 0), get(lost, 0), get(extra, 0))
    return Event(
        data["event"],
        float(data["t"]),
        data["it"],
        data["kind"],
        get("request"),
        get("session"),
        get("batch", 0),
        get("tokens", 0),
        books,
        data["running"],
        data["waiting"],
        get("check"),
        {name: data[name] for name in NAMES if name in data},
        get("verdicts", []),
    )
