"""Writes a scenario of exact operations as a person would: an operation a line, and no default."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from sim.config import RunConfig
from sim.engines.marks import REAP, STEP, Timed
from sim.engines.protocol import Request
from sim.expectations import entry_to_json
from sim.operations import Abort, Close, Expire, Open, Operation, Refuse, Retract, Submit
from sim.scenario.actions import later
from sim.scenario.build import run_config
from sim.scenario.model import ExpectVerdict
from sim.scenario.places import FLOAT, INT
from sim.scenario.schema import DEFAULT_VARIANT, Settings

if TYPE_CHECKING:
    from sim.setup import Identity

_WIDTH = 100
_SAID = {
    ("pool",), ("pool", "tokens"), ("pool", "swa", "tokens"), ("pool", "swa", "window"), ("pool", "mamba", "slots"),
    ("scheduler", "speculative", "steps"), ("scheduler", "test_retract", "interval"),
}  # fmt: skip
"""What is written even where it is the default: without it the mapping would say nothing."""
_DEFAULTS = {field.name: field.default for field in fields(Request)}


def scenario_text(
    *,
    name: str,
    about: str,
    identity: Identity,
    config: RunConfig,
    actions: Sequence[Timed],
    expect: Sequence[ExpectVerdict] = (),
) -> str:
    """The scenario in which these actions, in whole nanoseconds, are played on this release with this configuration.

    Device and audit are not a scenario's to say. ValueError if something else of this cannot be written.
    """
    if identity.policy is not None:
        raise ValueError("a scenario cannot name a policy")
    top: dict[str, Any] = {"name": name, "about": about, "release": identity.release}
    top |= {"revert": list(identity.revert), "add": list(identity.add), "decide": dict(identity.decide)}
    lines = [line for key, value in top.items() if value for line in _section(key, value)]
    lines += [line for key, value in spelled_config(config).items() for line in _section(key, value)]
    lines += ["operations:", *(f"  - {_flow(entry)}" for entry in entries(actions))]
    if expect:
        lines += ["expect:", *_expected([entry_to_json(entry) for entry in expect])]
    return "\n".join(lines) + "\n"


def spelled_config(config: RunConfig) -> dict[str, Any]:
    """The keys of a scenario that give this configuration, without those that change nothing."""
    data = asdict(config)
    del data["device"], data["audit"]
    data = {"seed": data.pop("seed"), "model": data["pool"].pop("model"), **data}
    wanted = replace(config, device=RunConfig.device, audit=RunConfig.audit)
    try:
        read = _read(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"no scenario can have this configuration: {where}: {first['msg']}") from error
    if read != wanted:
        raise ValueError("no scenario can have this configuration: it would be read as another one")
    for path in list(_paths(data)):
        shorter = _without(data, path)
        if path not in _SAID and shorter is not None and _read(shorter) == wanted:
            data = shorter
    return data


def _read(data: dict[str, Any]) -> RunConfig:
    return run_config(Settings.model_validate(data))


def _paths(data: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key, those that hold others first."""
    for key, value in data.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))


def _without(data: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    """The same without the key at this path; None if it is not there."""
    key, *rest = path
    if key not in data:
        return None
    if not rest:
        return {name: value for name, value in data.items() if name != key}
    inner = _without(data[key], tuple(rest))
    return None if inner is None else {**data, key: inner}


def entries(actions: Sequence[Timed]) -> Iterator[dict[str, Any]]:
    """The entries of `operations:`."""
    now = 0.0
    for (time, what), run in groupby(actions):
        seconds = round(time - now, 9)
        if later(now, seconds) != round(time, 9) or seconds < 0:
            raise ValueError(f"no wait leads from {now!r} s to {time!r} s")
        if seconds:
            yield {"wait": seconds}
        now = later(now, seconds)
        count = sum(1 for _ in run)
        if what == STEP:
            yield {"step": count}
        else:
            for _ in range(count):
                yield {"reap": True} if what == REAP else _entry(what)


def _entry(what: Operation | str) -> dict[str, Any]:
    match what:
        case Open():
            timeout = {} if what.timeout is None else {"timeout": what.timeout}
            return {"open": what.session, **timeout}
        case Submit():
            return _submit(what.what)
        case Retract():
            how = {} if what.how == "pause" else {"how": what.how}
            return {"retract": _retracted(what.rids), **how}
        case Refuse():
            times = {} if what.times == 1 else {"times": what.times}
            return {"refuse": what.request, **times}
        case Abort():
            return {"abort": what.request}
        case Close():
            return {"close": what.session}
        case Expire():
            return {"expire": what.session}
        case _:
            raise ValueError(f"{what!r} is no operation")


def _retracted(rids: tuple[str, ...] | None) -> str | list[str]:
    if rids is None:
        return "all"
    return rids[0] if len(rids) == 1 and rids[0] != "all" else list(rids)


def _submit(request: Request) -> dict[str, Any]:
    own = len(request.prompt) == 1 and request.prompt[0].name == request.rid
    prompt = request.prompt[0].length if own else [{piece.name: piece.length} for piece in request.prompt]
    entry: dict[str, Any] = {"submit": request.rid, "session": request.session, "prompt": prompt}
    entry |= {"output": request.max_new, "stop_at": request.stop_at, "ignore_eos": request.ignore_eos}
    entry |= {"priority": request.priority, "accept": request.accept}
    entry = {key: value for key, value in entry.items() if key not in _DEFAULTS or value != _DEFAULTS[key]}
    if "accept" in entry:
        entry["accept"] = _accept(request.accept)
    return entry


def _accept(accept: tuple[int, ...] | float) -> Any:
    if not isinstance(accept, tuple):
        return {"rate": accept}
    return accept[0] if len(accept) == 1 else list(accept)


class _Dumper(yaml.SafeDumper):
    """Quotes what a reader, of YAML 1.1 or ours, could take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never: a scenario has none."""
        return True

    def text(self, data: str) -> yaml.Node:
        """On one line, whatever it holds."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.text)
_NUMBER = re.compile(rf"(?:{INT.pattern}|{FLOAT.pattern})\Z")
_Dumper.add_implicit_resolver("!number", _NUMBER, list("-+.0123456789"))


def _flow(data: Any) -> str:
    return yaml.dump(
        data, Dumper=_Dumper, default_flow_style=True, width=math.inf, sort_keys=False, allow_unicode=True
    ).strip()


def _section(key: str, value: Any) -> list[str]:
    """A key of the file: on one line, or with a line for each of its own keys."""
    line = _flow({key: value})[1:-1]
    if len(line) <= _WIDTH or not isinstance(value, dict):
        return [line]
    return [f"{key}:", *(f"  {_flow({inner: each})[1:-1]}" for inner, each in value.items())]


def _expected(wanted: list[dict[str, Any]]) -> list[str]:
    if len(wanted) == 1:
        return [f"  {DEFAULT_VARIANT}: {_flow(wanted[0])}"]
    return [f"  {DEFAULT_VARIANT}:", *(f"    - {_flow(entry)}" for entry in wanted)]
