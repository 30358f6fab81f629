"""What requests and sessions were when: lives.jsonl, read line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reports.lines import TEXT, TIME, WHOLE, Rule, Say, read_lines

REQUEST = ("queued", "prefill", "decode", "retracted")
REQUEST_ENDS = ("finished", "aborted")
SESSION = ("open", "turn", "held")
SESSION_ENDS = ("closed",)
ENDS = (*REQUEST_ENDS, *SESSION_ENDS)
_RULES: dict[str, Rule] = {"event": WHOLE, "t": TIME, "request": TEXT, "session": TEXT, "state": TEXT}
_REQUIRED = ("event", "t", "state")


class Change(NamedTuple):
    """A request, or where there is none a session, comes into a state."""

    event: int
    t: float
    request: str | None
    session: str | None
    state: str


def read_changes(path: Path, say: Say) -> Iterator[Change]:
    """Every change of state, in the order of events."""
    last = -1
    for line in read_lines(path, say):
        line.check(_RULES, _REQUIRED)
        data = line.data
        life = Change(data["event"], float(data["t"]), data.get("request"), data.get("session"), data["state"])
        if life.event < last:
            raise line.wrong("event", f"event {life.event} comes after event {last}")
        if life.request is None and life.session is None:
            raise line.wrong("", "request and session are missing")
        states = (*SESSION, *SESSION_ENDS) if life.request is None else (*REQUEST, *REQUEST_ENDS)
        if life.state not in states:
            raise line.wrong("state", f"{life.state!r} is no state; it must be one of {', '.join(states)}")
        last = life.event
        yield life
