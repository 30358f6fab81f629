"""The operations of a run: what one does to an engine, and its line in ops.jsonl.

A list of operations is the unit of exchange: a scenario records one, replay plays one on any engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps
from typing import Any, ClassVar

from sim.engines.protocol import Engine, Request, RetractHow
from sim.world import Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class Open:
    """Open a streaming session."""

    session: str
    timeout: float | None = None
    kind: ClassVar[str] = "open"
    request: ClassVar[None] = None

    def apply(self, engine: Engine) -> None:
        """Do it."""
        engine.open(self.session, self.timeout)

    def fields(self) -> dict[str, Any]:
        """The keys of its line."""
        return {"session": self.session, "timeout": self.timeout}


@dataclass(frozen=True, kw_only=True, slots=True)
class Submit:
    """Hand a request, or a turn of a session, to the scheduler."""

    what: Request
    kind: ClassVar[str] = "submit"

    @property
    def request(self) -> str:
        """The request's id."""
        return self.what.rid

    @property
    def session(self) -> str | None:
        """The session of which it is a turn."""
        return self.what.session

    def apply(self, engine: Engine) -> None:
        """Do it."""
        engine.submit(self.what)

    def fields(self) -> dict[str, Any]:
        """The keys of its line."""
        return {"request": request_to_json(self.what)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Abort:
    """Abort every request whose id begins with `request`."""

    request: str
    kind: ClassVar[str] = "abort"
    session: ClassVar[None] = None

    def apply(self, engine: Engine) -> None:
        """Do it."""
        engine.abort(self.request)

    def fields(self) -> dict[str, Any]:
        """The keys of its line."""
        return {"rid": self.request}


@dataclass(frozen=True, kw_only=True, slots=True)
class Close:
    """Close a session."""

    session: str
    kind: ClassVar[str] = "close"
    request: ClassVar[None] = None

    def apply(self, engine: Engine) -> None:
        """Do it."""
        engine.close(self.session)

    def fields(self) -> dict[str, Any]:
        """The keys of its line."""
        return {"session": self.session}


@dataclass(frozen=True, kw_only=True, slots=True)
class Expire:
    """Let a session's time-out have passed."""

    session: str
    kind: ClassVar[str] = "expire"
    request: ClassVar[None] = None

    def apply(self, engine: Engine) -> None:
        """Do it."""
        engine.expire(self.session)

    def fields(self) -> dict[str, Any]:
        """The keys of its line."""
        return {"session": self.session}


@dataclass(frozen=True, kw_only=True, slots=True)
class Retract:
    """Retract running requests (None: all of them)."""

    rids: tuple[str, ...] | None
    how: RetractHow
    kind: ClassVar[str] = "retract"
    session: ClassVar[None] = None

    @property
    def request(self) -> str | None:
        """The request, if it is one."""
        return self.rids[0] if self.rids is not None and len(self.rids) == 1 else None

    def apply(self, engine: Engine) -> None:
        """Do it."""
        engine.retract(self.rids, self.how)

    def fields(self) -> dict[str, Any]:
        """The keys of its line."""
        return {"rids": self.rids if self.rids is None else list(self.rids), "how": self.how}


@dataclass(frozen=True, kw_only=True, slots=True)
class Refuse:
    """Let the next admission attempts of a request find no memory."""

    request: str
    times: int
    kind: ClassVar[str] = "refuse"
    session: ClassVar[None] = None

    def apply(self, engine: Engine) -> None:
        """Do it."""
        engine.refuse(self.request, self.times)

    def fields(self) -> dict[str, Any]:
        """The keys of its line."""
        return {"rid": self.request, "times": self.times}


Operation = Open | Submit | Abort | Close | Expire | Retract | Refuse


def line_of(operation: Operation, time: float) -> str:
    """The operation's line in ops.jsonl, line feed included."""
    data = {"op": operation.kind, "t": time, **operation.fields()}
    return dumps(data, separators=(",", ":")) + "\n"


def request_to_json(request: Request) -> dict[str, Any]:
    """A request as JSON has it."""
    accept = request.accept
    return {
        "rid": request.rid,
        "prompt": [{"name": s.name, "length": s.length} for s in request.prompt],
        "max_new": request.max_new,
        "session": request.session,
        "priority": request.priority,
        "ignore_eos": request.ignore_eos,
        "stop_at": request.stop_at,
        "accept": list(accept) if isinstance(accept, tuple) else accept,
    }


def request_from_json(data: dict[str, Any]) -> Request:
    """The request that `request_to_json` wrote; TypeError or KeyError if it is none."""
    accept = data["accept"]
    return Request(
        **{
            **data,
            "prompt": tuple(Segment(name=s["name"], length=s["length"]) for s in data["prompt"]),
            "accept": tuple(accept) if isinstance(accept, Sequence) else float(accept),
        }
    )
