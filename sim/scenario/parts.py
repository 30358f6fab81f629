"""What the pydantic models are made of: the strict base, and value types with their JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import core_schema

from sim.scenario import values
from sim.scenario.distributions import Dist
from sim.scenario.errors import ValueProblem, shown

LARGEST_INT = (1 << 31) - 1
_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


class Part(BaseModel):
    """A mapping of a scenario: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, eq=False)
class Read:
    """Annotates a type with the function that reads it and the JSON Schema of what it reads."""

    reader: Callable[[Any], Any]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.reader)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: Any) -> dict[str, Any]:
        return dict(self.schema)


def whole(low: int, high: int = LARGEST_INT, example: str = "8") -> Read:
    """A whole number from `low` to `high`."""
    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Read(lambda value: values.whole(value, low, high, example), schema)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        if isinstance(value, bool | int | float):
            raise ValueProblem(f"{shown(value)} is no name", f'put it in quotes: "{str(value)[:64]}"')
        raise ValueProblem(f"{shown(value)} is no name", "write a word, e.g. `chat`")
    if value == "all":
        raise ValueProblem("the name `all` is taken: it means every request", "write another name")
    if not re.fullmatch(_NAME, value):
        raise ValueProblem(
            f"the name {shown(value)} cannot be used", "write at most 64 letters, digits, `.`, `_`, `-`"
        )
    return value


def _number(low: float, high: float, example: str) -> Read:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueProblem(f"{shown(value)} is no number", f"write e.g. {example}")
        if not low <= value <= high:
            raise ValueProblem(
                f"{shown(value)} is out of range", f"write a number from {low:g} to {high:g}, e.g. {example}"
            )
        return float(value)

    return Read(read, {"type": "number", "minimum": low, "maximum": high})


def read_text(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str):
        spelled = f'"{str(value)[:64]}"' if isinstance(value, bool | int | float) else "`a few words`"
        raise ValueProblem(f"{shown(value)} is no text", f"write text, in quotes if need be: {spelled}")
    if not value.strip():
        raise ValueProblem("the text is empty", "write something, or leave the key out")
    return value


_DURATION = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": values.LONGEST_TIME},
        {
            "type": "string",
            "pattern": r"^\s*([0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|\.[0-9]+)\s*(us|ms|s|m|h)\s*$",
        },
    ]
}
_POSITIVE_DURATION = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _DURATION["anyOf"][1]]}
_RATE = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": values.FASTEST},
        {
            "type": "string",
            "pattern": r"^\s*([0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|\.[0-9]+)\s*/\s*(s|m|h)\s*$",
        },
    ]
}


def _mapping(**keys: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": keys, "required": list(keys), "additionalProperties": False}


def _dist(number: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    sigma = {"type": "number", "minimum": 0, "maximum": 10}
    pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    several = {"type": "array", "items": number, "minItems": 1}
    shapes = [
        _mapping(uniform=pair),
        _mapping(choice=several),
        _mapping(lognormal=_mapping(median=number, sigma=sigma, max=number)),
        _mapping(exponential=_mapping(mean=number, max=number)),
    ]
    return {"anyOf": [number, *shapes, *more]}


_TOKENS = {"type": "integer", "minimum": 1, "maximum": values.LONGEST_TEXT}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 1_000_000}
_PRIORITY = {"type": "integer", "minimum": -1_000_000, "maximum": 1_000_000}
_ACCEPTED = {"type": "integer", "minimum": 1, "maximum": 64}
_PRIORITIES = {"type": "array", "items": _PRIORITY, "minItems": 1}

Name = Annotated[str, Read(_name, {"type": "string", "pattern": f"^{_NAME}$", "not": {"const": "all"}})]
Text = Annotated[str, Read(read_text, {"type": "string", "minLength": 1})]
Rid = Annotated[str, Read(read_text, {"type": "string", "minLength": 1})]
Duration = Annotated[float, Read(values.duration, _DURATION)]
PositiveDuration = Annotated[float, Read(values.positive_duration, _POSITIVE_DURATION)]
Rate = Annotated[float, Read(values.rate, _RATE)]
Share = Annotated[float, _number(0, 1, "0.02")]
Factor = Annotated[float, _number(0, 100, "1.0")]
Tokens = Annotated[int, whole(1, values.LONGEST_TEXT, "64")]
Count = Annotated[int, whole(1)]
Natural = Annotated[int, whole(0)]
Signed = Annotated[int, whole(-LARGEST_INT, LARGEST_INT, "-1")]
Priority = Annotated[int, whole(-1_000_000, 1_000_000, "10")]
Accept = Annotated[
    values.Accept,
    Read(
        values.accept,
        {
            "anyOf": [
                _ACCEPTED,
                {"type": "array", "items": _ACCEPTED, "minItems": 1},
                _mapping(rate={"type": "number", "minimum": 0, "maximum": 1}),
            ]
        },
    ),
]
Close = Annotated[
    values.Close, Read(values.close, {"anyOf": [{"enum": ["end", "never"]}, *_DURATION["anyOf"]]})
]
TokensDist = Annotated[Dist, Read(values.tokens_dist, _dist(_TOKENS))]
CountDist = Annotated[Dist, Read(values.count_dist, _dist(_COUNT))]
SecondsDist = Annotated[Dist, Read(values.seconds_dist, _dist(_DURATION))]
PriorityDist = Annotated[Dist, Read(values.priority_dist, _dist(_PRIORITY, _PRIORITIES))]
