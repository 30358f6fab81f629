"""JSON into frozen dataclasses, every value checked against its type."""

from __future__ import annotations

import types
from collections.abc import Hashable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_SIGNED = ("seed", "priority")


class Mistyped(ValueError):
    """A value that does not fit; `key` is the innermost key it stands under."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key


def build(kind: type[T], data: Any, key: str = "") -> T:
    """The dataclass that a JSON object spells."""
    if not isinstance(data, dict):
        raise Mistyped(key, f"{key or 'this'} is not an object")
    hints = _hints(cast("Hashable", kind))
    for name in data:
        if name not in hints:
            raise Mistyped(name, f"{name} is not known here; leave it out")
    for field in fields(cast(Any, kind)):
        missing = field.default is MISSING and field.default_factory is MISSING
        if missing and field.name not in data:
            raise Mistyped(key, f"{field.name} is missing; record the run again")
    return kind(**{name: convert(hints[name], value, name) for name, value in data.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def convert(hint: Any, value: Any, key: str) -> Any:
    """The value as its type wants it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, key)
    if origin is Literal:
        if value not in arguments:
            raise Mistyped(key, f"{key} is {value!r}; write one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise Mistyped(key, f"{key} is not a list")
        return tuple(convert(arguments[0], item, key) for item in value)
    if is_dataclass(hint):
        return build(cast("type[Any]", hint), value, key)
    return _plain(hint, value, key)


def _one_of(arguments: tuple[Any, ...], value: Any, key: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    rest = [a for a in arguments if a is not type(None)]
    for hint in rest[:-1]:
        try:
            return convert(hint, value, key)
        except Mistyped:
            continue
    return convert(rest[-1], value, key)


def _plain(hint: Any, value: Any, key: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if hint in _WORDS and type(value) is not hint:
        raise Mistyped(key, f"{key} is {value!r}; write {_WORDS[hint]}")
    if isinstance(value, int | float) and key not in _SIGNED and not 0 <= value < 1 << 53:
        raise Mistyped(key, f"{key} is {value!r}; write zero or more")
    return value
