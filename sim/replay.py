"""Plays the operations of ops.jsonl on the model: the same events as in the run that recorded them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Any

from sim.clock import PATIENCE, Ending
from sim.config import Audit, RunConfig
from sim.driver import Driver, Over
from sim.engines.protocol import Engine, Request
from sim.errors import InputError
from sim.operations import Abort, Close, Expire, Open, Operation, Refuse, Retract, Submit
from sim.record import folder_of
from sim.result import Result
from sim.setup import Identity, Stage
from sim.typed import Mistyped, build, convert

_KINDS: dict[str, Any] = {kind.kind: kind for kind in (Open, Submit, Abort, Close, Expire, Retract, Refuse)}
_LOOP = ("step", "reap", "stuck")
_NOTICE = 2048


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a replay changes about the recorded run."""

    out: Path | None = None
    release: str | None = None
    revert: tuple[int, ...] = ()
    add: tuple[int, ...] = ()
    device: str | None = None
    audit: Audit | None = None
    policy: str | None = None


def replay(
    path: Path, changes: Changes | None = None, notice: Callable[[int, float], None] | None = None
) -> Result:
    """Play a recorded run to its end."""
    changes = changes or Changes()
    with _opened(path) as file:
        lines = _lines(file, path)
        identity, config = _header(path, next(lines, (1, "")))
        identity, config = _changed(path, identity, config, changes)
        folder = changes.out and folder_of(changes.out, identity.scenario, identity.variant)
        with Stage(identity, config, folder, f"{path}:1:1") as stage:
            ending = _play(stage.driver, lines, path, notice)
            stage.end(ending)
            return stage.conclude(ending)


def _play(
    driver: Driver,
    lines: Iterator[tuple[int, str]],
    path: Path,
    notice: Callable[[int, float], None] | None,
) -> Ending:
    """Every operation in turn; like the clock, sets the engine's time once before each iteration."""
    now, barren = -1.0, 0
    for number, line in lines:
        time, operation = _parsed(path, number, line)
        if time < now:
            raise _wrong(path, number, line, "t", f"t goes back from {now} to {time}; put the lines in order")
        try:
            if time > now:
                driver.advance(time)
                now = time
            if operation == "step":
                barren = 0 if driver.step().progressed else barren + 1
            elif operation == "stuck":
                return "stuck" if _waits_in_vain(driver.engine, barren) else "done"
            elif not isinstance(operation, str):
                driver.do(operation)
                barren = 0
        except Over:
            return "crash"
        if notice is not None and driver.event % _NOTICE == 0:
            notice(driver.event, now)
    return "done"


def _waits_in_vain(engine: Engine, barren: int) -> bool:
    """The recorded run was stuck here; another release, or a user's policy, need not be."""
    return bool(engine.waiting) and not engine.running and barren >= PATIENCE


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


def _header(path: Path, first: tuple[int, str]) -> tuple[Identity, RunConfig]:
    number, line = first
    if not line:
        raise InputError(f"{path}:1:1: the file is empty; record the run again")
    data = _object(path, number, line)
    if data.get("kvledger") != 1:
        raise _wrong(path, 1, line, "kvledger", "no record of kvledger; write the path of an ops.jsonl")
    try:
        config = build(RunConfig, data.get("config"), "config")
        _possible(config)
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
    return identity, config


def _possible(config: RunConfig) -> None:
    pool = config.pool
    for name in ("tokens", "page_size", "rows", "context"):
        if getattr(pool, name) < 1:
            raise Mistyped(name, f"{name} is {getattr(pool, name)}; write one or more")
    if pool.tokens % pool.page_size:
        raise Mistyped(
            "tokens", f"{pool.tokens} tokens are not whole pages; write a multiple of {pool.page_size}"
        )


def _changed(
    path: Path, identity: Identity, config: RunConfig, changes: Changes
) -> tuple[Identity, RunConfig]:
    if changes.release is not None:
        identity = replace(identity, release=changes.release, revert=(), add=(), decide={})
    if changes.revert:
        identity = replace(identity, revert=tuple(sorted({*identity.revert, *changes.revert})))
    if changes.add:
        identity = replace(identity, add=tuple(sorted({*identity.add, *changes.add})))
    if changes.policy is not None:
        identity = replace(identity, policy=changes.policy)
    elif identity.policy is not None:
        # A recorded run is data: it must not cause code to run.
        raise InputError(f"{path}:1:1: this run used a policy; write --policy {identity.policy}")
    if changes.device is not None:
        config = replace(config, device=changes.device)
    if changes.audit is not None:
        config = replace(config, audit=changes.audit)
    return identity, config


def _parsed(path: Path, number: int, line: str) -> tuple[float, Operation | str]:
    """The time and the operation of one line; what is no operation stands for itself."""
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
    if not isinstance(data, dict):
        raise InputError(f"{path}:{number}:1: this line is no JSON object; record the run again")
    return data


def _wrong(path: Path, number: int, line: str, key: str, what: str) -> InputError:
    column = line.find(f'"{key}"') + 1 if key else 0
    advice = "" if "; " in what else "; record the run again"
    return InputError(f"{path}:{number}:{max(column, 1)}: {what}{advice}")
