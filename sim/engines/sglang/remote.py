"""An engine in another process: each operation is a message, and what goes wrong there is a result here."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sim.config import RunConfig
from sim.engines.layout import Layout
from sim.engines.marks import Mark, Timed
from sim.engines.protocol import (
    EngineCrash,
    Progress,
    Request,
    RetractHow,
    Snapshot,
    StepReport,
)
from sim.engines.sglang import wire
from sim.engines.sglang.process import Died, Hung, Worker
from sim.engines.sglang.wire import Message
from sim.errors import InputError
from sim.operations import Abort, Close, Expire, Open, Operation, Refuse, Retract, Submit


class EngineBroken(InputError):
    """The engine cannot be driven: it does not fit its boundary, or our side of the worker is at fault. One line."""


def hello(worker: Worker) -> None:
    """Wait until the worker is ready; EngineBroken if what it imports does not fit."""
    try:
        answer = wire.unpack(worker.receive())
    except (Hung, Died, ValueError) as error:
        worker.close()
        frames = getattr(error, "frames", ())
        where = f"; it was in {' < '.join(reversed(frames))}" if frames else ""
        raise EngineBroken(f"the worker of the engine could not be started: {error}{where}") from error
    if "broken" in answer:
        worker.close()
        raise EngineBroken(answer["broken"])


class RemoteEngine:
    """The engine behind a worker.

    `seen` is what the worker saw of the memory at the last event, if `begin` asked for audit. How it stands (idle,
    waiting, running, the next reaper pass) comes with every answer, so asking for it costs no message.
    """

    def __init__(self, worker: Worker, config: RunConfig, *, audit: bool = False, release: Any = None) -> None:
        self.worker = worker
        self.alarm: tuple[str, str] | None = None
        self.seen: dict[str, Any] = {}
        self._state: list[Any] = [True, 0, 0, None]
        self._pending: deque[str] = deque()
        self._over: EngineCrash | None = None
        self._progress: dict[str, Progress] = {}
        self.begin(config, audit=audit, release=release)

    def begin(self, config: RunConfig, *, audit: bool = False, release: Any = None) -> None:
        """A fresh scheduler in the same process."""
        self.config = config
        self.alarm, self.seen = None, {}
        self._progress.clear()
        message: Message = {"op": "begin", "config": asdict(config), "audit": audit}
        self._ask(message if release is None else message | {"release": release})

    # -- messages -----------------------------------------------------------------------------------------

    def post(self, message: Message) -> None:
        """Send a message without waiting for its answer."""
        if self._over is not None:
            raise self._over
        self.worker.send(wire.pack(message))
        self._pending.append(message["op"])

    def collect(self) -> Any:
        """The answer to the oldest message that has none yet."""
        operation = self._pending.popleft()
        try:
            line = self.worker.receive()
        except (Hung, Died) as error:
            # The same crash from here on, whatever is asked.
            self._pending.clear()
            frames = error.frames or self.worker.said[-3:]
            self._over = EngineCrash(error.kind, f"{error} (operation: {operation})", frames)
            raise self._over from None
        return self._read(line)

    def _ask(self, message: Message) -> Any:
        assert not self._pending, "answers are still to come; collect them first"
        self.post(message)
        return self.collect()

    def _read(self, line: bytes) -> Any:
        try:
            answer = wire.unpack(line)
        except ValueError as error:
            self.worker.close()
            raise EngineBroken(f"the worker answered what is no message: {line[:80]!r}; report it") from error
        if "broken" in answer:
            raise EngineBroken(answer["broken"])
        self._state = answer.get("state", self._state)
        if "alarm" in answer:
            which, text = answer["alarm"]
            self.alarm = (which, text)
        self.seen = answer.get("seen", self.seen)
        if "crash" in answer:
            raise wire.crash_from_json(answer["crash"])
        return answer.get("value")

    def _do(self, operation: Operation) -> Any:
        self._progress.clear()
        return self._ask(wire.operation_to_json(operation))

    # -- operations ---------------------------------------------------------------------------------------

    def advance(self, now: float) -> tuple[str, ...]:
        """Set the clock."""
        self._progress.clear()
        return tuple(self._ask({"op": "advance", "t": now}))

    def open(self, session: str, timeout: float | None = None) -> bool:
        """Open a streaming session."""
        opened: bool = self._do(Open(session=session, timeout=timeout))
        return opened

    def submit(self, request: Request) -> None:
        """Queue a request."""
        self._do(Submit(what=request))

    def abort(self, rid: str) -> None:
        """Abort by prefix."""
        self._do(Abort(request=rid))

    def close(self, session: str) -> None:
        """Close a session."""
        self._do(Close(session=session))

    def expire(self, session: str) -> None:
        """Let a session's time-out have passed."""
        self._do(Expire(session=session))

    def retract(self, rids: Sequence[str] | None, how: RetractHow) -> None:
        """Retract running requests."""
        self._do(Retract(rids=None if rids is None else tuple(rids), how=how))

    def refuse(self, rid: str, times: int) -> None:
        """Let the next admission attempts find no memory."""
        self._do(Refuse(request=rid, times=times))

    def step(self) -> StepReport:
        """One iteration."""
        self._progress.clear()
        return wire.report_from_json(self._ask({"op": "step"}))

    # -- many at once -------------------------------------------------------------------------------------

    def post_play(self, actions: Sequence[Timed], *, deep: bool = True) -> None:
        """Begin to play operations there, while something else is done here."""
        self._progress.clear()
        self.post({"op": "play", "ops": wire.timed_to_json(actions), "deep": deep})

    def collect_play(self) -> list[Mark]:
        """The marks of what was posted first."""
        return wire.marks_from_json(self.collect())

    def play(self, actions: Sequence[Timed], *, deep: bool = True) -> list[Mark]:
        """Play operations, on from where the engine stands; as `Walk.play`."""
        assert not self._pending, "answers are still to come; collect them first"
        self.post_play(actions, deep=deep)
        return self.collect_play()

    # -- what is asked of it ------------------------------------------------------------------------------

    def observe(self) -> None:
        """Let the worker look at all of its memory once more; `seen` has the outcome."""
        self._ask({"op": "observe"})

    def snapshot(self, *, of: Collection[str] | None = None) -> Snapshot:
        """The state between two operations, always all of it."""
        return wire.snapshot_from_json(self._ask({"op": "snapshot"}))

    def layout(self, *, counting: bool = False) -> Layout:
        """The memory behind it, index by index; the same for `counting`."""
        return wire.layout_from_json(self._ask({"op": "layout"}))

    def progress(self, rid: str) -> Progress:
        """How far a request has come; asked for once between two operations."""
        found = self._progress.get(rid)
        if found is None:
            found = self._progress[rid] = wire.progress_from_json(self._ask({"op": "progress", "rid": rid}))
        return found

    @property
    def idle(self) -> bool:
        """Two iterations in a row did nothing."""
        idle: bool = self._state[0]
        return idle

    @property
    def waiting(self) -> int:
        """Requests in the queue, and the one whose prompt is parked half-way."""
        waiting: int = self._state[1]
        return waiting

    @property
    def running(self) -> int:
        """Requests in the running batch and the one in flight."""
        running: int = self._state[2]
        return running

    def next_reap(self) -> float | None:
        """When the reaper could next find something to do."""
        soonest: float | None = self._state[3]
        return soonest
