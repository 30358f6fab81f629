"""The worker's side of the wire: any engine, driven by the messages that come in, one answer for each.

Nothing here knows which engine it is: the worker puts the real release behind it, the tests the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import IO, Any, Protocol

from sim.config import RunConfig
from sim.engines.marks import Crash, Walk
from sim.engines.protocol import Engine, EngineCrash
from sim.engines.sglang import wire
from sim.engines.sglang.wire import Message
from sim.errors import InputError
from sim.operations import Open
from sim.typed import build


@dataclass(frozen=True, kw_only=True)
class Begin:
    """What a fresh engine is made from; `release` is for engines that can be more than one."""

    config: RunConfig
    audit: bool = False
    release: Any = None


class Watching(Protocol):
    """Looks at an engine's memory after each event; what it says travels as it is."""

    def observe(self, kind: str) -> dict[str, Any]:
        """What there is to say after an operation of this kind."""


MakeEngine = Callable[[Begin], Engine]
MakeWatch = Callable[[Any], Watching]


def serve(
    make_engine: MakeEngine, requests: IO[bytes], answers: IO[bytes], make_watch: MakeWatch | None = None
) -> None:
    """Answer every line until `end`, or until nobody can ask any more."""
    server = _Server(make_engine, make_watch)
    for line in requests:
        answers.write(wire.pack(server.answer(line)))
        answers.flush()
        if server.ended:
            return


def broken(error: BaseException) -> Message:
    """The answer where the engine itself is at fault, or does not fit."""
    return {"broken": " ".join(_words(error).split())}


class _Server:
    """One engine at a time, and what it is asked."""

    def __init__(self, make_engine: MakeEngine, make_watch: MakeWatch | None) -> None:
        self._make = make_engine
        self._watches = make_watch
        self._engine: Engine | None = None
        self._walk: Walk | None = None
        self._watch: Watching | None = None
        self._seen: dict[str, Any] | None = None
        self._state: list[Any] = [True, 0, 0, None]
        self.ended = False

    @property
    def engine(self) -> Engine:
        """The one that `begin` made."""
        if self._engine is None:
            raise ValueError("nothing has begun; send begin first")
        return self._engine

    def answer(self, line: bytes) -> Message:
        """Do what one line asks for."""
        self._seen = None
        try:
            message = wire.unpack(line)
            answer: Message = {"value": self._do(message)}
        except EngineCrash as error:
            answer = {"crash": wire.crash_to_json(error)}
        except SystemExit as error:
            # The release wanted to end its process: that is how it crashes where it has no exception to raise.
            answer = {"crash": {"kind": "SystemExit", "message": str(error), "frames": _frames(error)}}
        except Exception as error:
            return broken(error)
        except BaseException as error:
            # What is no Exception on purpose, so that the release cannot catch it: a stand-in was touched.
            if isinstance(error, KeyboardInterrupt):
                raise
            return broken(error)
        return self._with_state(answer)

    def _with_state(self, answer: Message) -> Message:
        engine = self._engine
        if engine is None:
            return answer
        try:
            self._state = [engine.idle, engine.waiting, engine.running, engine.next_reap()]
        except Exception as error:
            # After a crash the state may be in pieces: what was known before has to do.
            if "crash" not in answer:
                return broken(error)
        answer["state"] = self._state
        if engine.alarm is not None:
            answer["alarm"], engine.alarm = engine.alarm, None
        if self._seen is not None:
            answer["seen"] = self._seen
        return answer

    def _do(self, message: Message) -> Any:
        name = message.get("op")
        if name in wire.OPERATIONS:
            return self._apply(message)
        match name:
            case "step":
                return self._step()
            case "advance":
                return self._advance(message["t"])
            case "snapshot":
                return wire.snapshot_to_json(self.engine.snapshot())
            case "layout":
                return wire.layout_to_json(self.engine.layout())
            case "progress":
                return tuple(vars(self.engine.progress(message["rid"])).values())
            case "play":
                return self._play(message)
            case "begin":
                self._begin(message)
                return None
            case "observe":
                self._observe("finish")
                return None
            case "end":
                self.ended = True
                return None
        raise ValueError(f"{name!r} is not known on the wire")

    def _apply(self, message: Message) -> Any:
        operation = wire.operation_from_json(message)
        engine = self.engine
        with self._observed(operation.kind):
            # `open` is the one operation that answers something.
            if isinstance(operation, Open):
                return engine.open(operation.session, operation.timeout)
            operation.apply(engine)
        return None

    def _step(self) -> Any:
        engine = self.engine
        with self._observed("step"):
            return engine.step()

    def _advance(self, time: float) -> Any:
        engine = self.engine
        try:
            closed = engine.advance(time)
        except EngineCrash:
            self._observe("reap")
            raise
        if closed:
            self._observe("reap")
        return closed

    def _begin(self, message: Message) -> None:
        self._engine = self._walk = self._watch = None
        self._state = [True, 0, 0, None]
        begin = Begin(
            config=build(RunConfig, message["config"], "config"),
            audit=message.get("audit", False),
            release=message.get("release"),
        )
        self._engine = self._make(begin)
        self._walk = Walk(self._engine)
        if begin.audit and self._watches is not None:
            self._watch = self._watches(self._engine)

    def _play(self, message: Message) -> Any:
        if "config" in message:
            self._begin(message)
        engine = self.engine
        if self._walk is None:
            raise ValueError("the engine has crashed; send begin first")
        marks = self._walk.play(wire.timed_from_json(message["ops"]), deep=message["deep"])
        if marks and isinstance(marks[-1], Crash):
            # What was sent in advance must not be played on the ruins.
            self._walk = None
        # Nobody audits what is played: an old alarm must not be taken for one of the next operation.
        engine.alarm = None
        return wire.marks_to_json(marks)

    # -- what is seen of the memory -----------------------------------------------------------------------

    @contextmanager
    def _observed(self, kind: str) -> Iterator[None]:
        """Whatever becomes of the operation, look at the memory after it."""
        try:
            yield
        except EngineCrash:
            self._observe(kind)
            raise
        self._observe(kind)

    def _observe(self, kind: str) -> None:
        if self._watch is not None:
            self._seen = self._watch.observe(kind)


def _words(error: BaseException) -> str:
    """One line; what is not foreseen is told with its place."""
    if isinstance(error, InputError):
        return str(error)
    frames = _frames(error)
    return f"{type(error).__name__}: {error}" + (f" ({frames[-1]})" if frames else "")


def _frames(error: BaseException) -> list[str]:
    """The last places of its traceback."""
    frames = extract_tb(error.__traceback__)[-3:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
