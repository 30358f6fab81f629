"""Reads ops.jsonl: who was run, with which configuration, and what was done when; every mistake is told in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from sim.config import RunConfig
from sim.engines.protocol import Request
from sim.errors import InputError
from sim.operations import Abort, Close, Expire, Open, Operation, Refuse, Retract, Submit
from sim.scenario.errors import ScenarioError
from sim.scenario.header import Header
from sim.scenario.sizes import machine_memory
from sim.setup import Identity
from sim.typed import Mistyped, build, convert

_KINDS: dict[str, Any] = {kind.kind: kind for kind in (Open, Submit, Abort, Close, Expire, Retract, Refuse)}
_LOOP = ("step", "reap", "stuck")
_STEP = re.compile(r'\{"op":"step","t":(\d{1,12}\.\d+)\}\n')
"""Most lines are like this, and need not be taken apart."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line after the header: an operation, or what is none: step, reap, stuck."""

    number: int
    time: float
    what: Operation | str


class Recorded:
    """A recorded run, read as it is played; `memory` is what it may use, default: what the machine has."""

    def __init__(self, path: Path, memory: int | None = None) -> None:
        self.path = path
        self._file = _opened(path)
        self._lines = _lines(self._file, path)
        try:
            most = machine_memory() if memory is None else memory
            self.identity, self.config = _header(path, next(self._lines, (1, "")), most)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def lines(self) -> Iterator[Line]:
        """Every line after the header, in the order of time."""
        now = -1.0
        for number, line in self._lines:
            time, what = _parsed(self.path, number, line)
            if time < now:
                text = f"t goes back from {now} to {time}; put the lines in order"
                raise _wrong(self.path, number, line, "t", text)
            now = time
            yield Line(number, time, what)


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}:1:1: {reason}; write the path of an ops.jsonl") from error


def _lines(file: IO[bytes], path: Path) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(file, 1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}:{number}:{error.start + 1}: this is not UTF-8 text; write an ops.jsonl"
            ) from error
        if not line.endswith("\n") and not _whole(line):
            raise InputError(
                f"{path}:{number}:{len(line) + 1}: this line is cut off; delete it, or record the run again"
            )
        yield number, line


def _whole(line: str) -> bool:
    try:
        json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return False
    return True


def _header(path: Path, first: tuple[int, str], memory: int) -> tuple[Identity, RunConfig]:
    number, line = first
    if not line:
        raise InputError(f"{path}:1:1: the file is empty; record the run again")
    data = _object(path, number, line)
    if data.get("kvledger") != 1:
        raise _wrong(path, 1, line, "kvledger", "no record of kvledger; write the path of an ops.jsonl")
    try:
        header = Header(line, str(path))
        if isinstance(data.get("config"), dict):
            header.check_values()
        config = build(RunConfig, data.get("config"), "config")
        header.check_pools(config, memory)
        identity = Identity(
            scenario=convert(str, data.get("scenario"), "scenario"),
            variant=convert(str, data.get("variant"), "variant"),
            release=convert(str, data.get("release"), "release"),
            revert=convert(tuple[int, ...], data.get("reverted", []), "reverted"),
            add=convert(tuple[int, ...], data.get("added", []), "added"),
            decide={str(k): convert(str, v, "decide") for k, v in dict(data.get("decide", {})).items()},
            policy=convert(str | None, data.get("policy"), "policy"),
        )
    except (Mistyped, TypeError) as error:
        raise _wrong(path, 1, line, getattr(error, "key", ""), str(error)) from error
    except ScenarioError as error:
        raise InputError(str(error)) from error
    except RecursionError as error:
        raise InputError(f"{path}:1:1: nested too deep; record the run again") from error
    return identity, config


def _parsed(path: Path, number: int, line: str) -> tuple[float, Operation | str]:
    """The time and the operation of one line; what is no operation stands for itself."""
    step = _STEP.fullmatch(line)
    if step is not None:
        return float(step[1]), "step"
    data = _object(path, number, line)
    kind = data.pop("op", None)
    if kind not in _KINDS and kind not in _LOOP:
        known = ", ".join((*_KINDS, *_LOOP))
        raise _wrong(path, number, line, "op", f"{kind!r} is no operation; write one of {known}")
    try:
        time: float = convert(float, data.pop("t", None), "t")
        if kind in _LOOP:
            return time, str(kind)
        if kind == "submit":
            return time, Submit(what=build(Request, data.get("request"), "request"))
        named = {("request" if name == "rid" else name): value for name, value in data.items()}
        return time, _operation(_KINDS[kind], named)
    except Mistyped as error:
        raise _wrong(path, number, line, error.key, str(error)) from error


def _operation(kind: type[Any], data: dict[str, Any]) -> Operation:
    wanted = {field.name for field in fields(kind)}
    operation: Operation = build(kind, {k: v for k, v in data.items() if k in wanted})
    return operation


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{number}:{error.colno}: this is not JSON ({error.msg.lower()}); record the run again"
        ) from error
    except RecursionError as error:
        raise InputError(f"{path}:{number}:1: nested too deep; record the run again") from error
    except ValueError as error:
        raise InputError(f"{path}:{number}:1: a number here is too long; record the run again") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}:{number}:1: this line is no JSON object; record the run again")
    return data


def _wrong(path: Path, number: int, line: str, key: str, what: str) -> InputError:
    column = line.find(f'"{key}"') + 1 if key else 0
    advice = "" if "; " in what else "; record the run again"
    return InputError(f"{path}:{number}:{max(column, 1)}: {what}{advice}")
