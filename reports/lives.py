"""What each session and each request was doing: read from lives.jsonl, with what was done to them from events.jsonl."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reports.log import Event, events_where
from reports.states import ENDS, read_changes

STATES = ("open", "turn", "held", "queued", "decode", "prefill", "retracted")
"""From the least telling to the most: where several meet in one place, the last of them is shown."""
_WAITS = STATES.index("queued") + 1
MARKS = {"retract": "R", "abort": "A", "close": "C", "reap": "T", "refuse": "F"}
_OF_STEP = {"retracted": "retract", "aborted": "abort", "refused": "refuse"}
_TELLING = tuple(f'"{word}"' for word in ("abort", "retract", "close", "reap", *_OF_STEP))
"""A line without any of these need not be taken apart."""


@dataclass(frozen=True)
class Deed:
    """What was done to a request or a session, or befell it."""

    event: int
    kind: str
    name: str


@dataclass
class Life:
    """The states of a session with its requests, or of a request without one: each from an event on.

    A rank is the place of a state in STATES, counted from 1; 0 is nobody there.
    """

    name: str
    event: list[int] = field(default_factory=list)
    rank: list[int] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    closed: int | None = None
    session: bool = True

    def lasts(self, end: float) -> float:
        """For how many events there was anything of it."""
        stops = [*self.event[1:], end]
        return sum(b - a for a, b, rank in zip(self.event, stops, self.rank, strict=True) if rank)

    def busy(self, end: float) -> float:
        """For how many events a request of it was past waiting for its first prefill."""
        stops = [*self.event[1:], end]
        return sum(b - a for a, b, rank in zip(self.event, stops, self.rank, strict=True) if rank > _WAITS)


def read_lives(path: Path) -> list[Life]:
    """The lines of a figure in the order in which they begin; empty if there is no lives.jsonl."""
    if not path.is_file():
        return []
    lives: dict[tuple[str, str], Life] = {}
    now: dict[tuple[str, str], dict[str | None, int]] = {}
    for event, _, request, session, state in read_changes(path, _as_far_as_it_goes):
        key = ("session", session) if session is not None else ("request", str(request))
        life = lives.setdefault(key, Life(key[1], session=session is not None))
        states = now.setdefault(key, {})
        if state in ENDS:
            states.pop(request, None)
            life.closed = event if request is None else life.closed
        else:
            states[request] = STATES.index(state) + 1
        if request is not None:
            life.requests.add(request)
        _note(life, event, max(states.values(), default=0))
    return list(lives.values())


def _note(life: Life, event: int, rank: int) -> None:
    """The state after an event; what held only between two changes of one event is not shown."""
    if life.event and life.event[-1] == event:
        life.rank[-1] = rank
    else:
        life.event.append(event)
        life.rank.append(rank)


def _as_far_as_it_goes(_: str) -> None:
    """Of an interrupted run a figure shows what there is."""


def read_deeds(folder: Path) -> list[Deed]:
    """Retracts, aborts, closes, reaps and refusals of events.jsonl, in order.

    What an operation asked for is not told again where a step carries it out.
    """
    asked: set[tuple[str, str]] = set()
    told = events_where(folder, lambda _, line: any(word in line for word in _TELLING))
    return [deed for event in told for deed in _deeds_of(event, asked)]


def _deeds_of(line: Event, asked: set[tuple[str, str]]) -> Iterator[Deed]:
    event, kind = line["event"], line.get("kind")
    if kind in ("abort", "retract") and line.get("request") is not None:
        asked.add((kind, str(line.get("request"))))
        yield Deed(event, kind, str(line.get("request")))
    elif kind == "close":
        yield Deed(event, kind, str(line.get("session")))
    elif kind == "reap":
        yield from (Deed(event, kind, str(name)) for name in line.get("closed", ()))
    for name, deed in _OF_STEP.items():
        for request in line.get(name, ()):
            if (deed, str(request)) in asked:
                asked.discard((deed, str(request)))
            else:
                yield Deed(event, deed, str(request))
