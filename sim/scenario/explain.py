"""pydantic's findings, turned into our one line at the place of the offending key or value."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ValidationError

from sim.scenario.errors import Place, ScenarioError, ValueProblem, choose, nearest, one_of, shown
from sim.scenario.fields import Field, Location, field_at, keys_at, required_at
from sim.scenario.injections import ACTIONS
from sim.scenario.operations import OPERATIONS
from sim.scenario.places import Node
from sim.scenario.pools import Pool
from sim.scenario.settings import Latency, Scheduler
from sim.scenario.sources import SOURCES

_HOMES: dict[str, type[BaseModel]] = {"pool": Pool, "scheduler": Scheduler, "latency": Latency}
_ENTRIES: dict[str, tuple[str, str, dict[str, str]]] = {
    "workload": ("source", "an entry of the workload without a kind", SOURCES),
    "inject": ("action", "an injection without an action", ACTIONS),
    "operations": ("operation", "no operation", OPERATIONS),
}
"""Lists whose entries are of several kinds: a word for the key that tells the kind, what lacks it, the kinds."""
_NO_MAPPING = ("no mapping", "write `key: value` lines, or {key: value}")
_WANTED = {
    "list_type": ("no list", "write [..], or one `- ` line per entry"),
    "dict_type": _NO_MAPPING,
    "model_type": _NO_MAPPING,
}


def explain(error: ValidationError, tree: Node, model: type[BaseModel]) -> ScenarioError:
    """The first thing wrong, in reading order."""
    found = [_finding(dict(detail), tree, model) for detail in error.errors(include_url=False)]
    return min(found, key=lambda each: (each[0].line, each[0].column))[1]


def _finding(detail: dict[str, Any], tree: Node, model: type[BaseModel]) -> tuple[Place, ScenarioError]:
    """Where a reader notices the fault, and the line about it."""
    loc: Location = detail["loc"]
    kind: str = detail["type"]
    problem = detail.get("ctx", {}).get("error")
    if isinstance(problem, ValueProblem):
        place = _place(tree, (*loc, *problem.path))
        return place, ScenarioError(place, _about(problem, loc, model), problem.advice)
    if kind == "missing":
        holder = _descend(tree, loc[:-1])
        field = field_at(model, loc)
        assert field is not None, "only a field can be missing"
        # A reader knows that a key is missing where the mapping ends.
        return holder.end, ScenarioError(holder.place, f"`{field.name}` is missing", _example(field))
    if kind == "extra_forbidden":
        key = str(loc[-1])
        place = _descend(tree, loc[:-1]).keys.get(key, tree.place)
        return place, ScenarioError(place, *_unknown(key, keys_at(model, loc[:-1]), loc))
    node = _descend(tree, loc)
    return node.place, ScenarioError(node.place, *_wrong(kind, detail, node, model))


def _descend(tree: Node, loc: Location) -> Node:
    """The node at a pydantic location; steps that name a union's arm are passed over."""
    for step in loc:
        tree = tree.find(step) or tree
    return tree


def _place(tree: Node, loc: Location) -> Place:
    if "[key]" in loc:
        at = loc.index("[key]") - 1
        return _descend(tree, loc[:at]).keys.get(str(loc[at]), tree.place)
    return _descend(tree, loc).place


def _about(problem: ValueProblem, loc: Location, model: type[BaseModel]) -> str:
    """What is wrong, with the key in front where the problem is a value's."""
    field = field_at(model, loc)
    return problem.what if field is None or keys_at(model, loc) else f"`{field.name}`: {problem.what}"


def _unknown(key: str, known: list[str], loc: Location) -> tuple[str, str]:
    near = nearest(key, known)
    what = f"unknown key {shown(key)}"
    word, _, kinds = _ENTRIES.get(str(loc[0]), ("", "", {}))
    if key in kinds and any(kind in known for kind in kinds):
        return f"a second {word} {shown(key)} in one entry", "write it as an entry of its own"
    if near is not None:
        return what, f"did you mean `{near}`?"
    home = next((name for name, part in _HOMES.items() if key in part.model_fields), None)
    if home is not None and len(loc) == 1:
        return what, f"it belongs into `{home}:`"
    return what, f"the keys here are {one_of(known)}"


def _wrong(kind: str, detail: dict[str, Any], node: Node, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong with a value, and what to write instead."""
    value, field = shown(node.value), field_at(model, detail["loc"])
    named = f"`{field.name}` is" if field is not None else "the value here is"
    if kind == "literal_error":
        names = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        return f"{named} {value}, which is unknown", choose(
            node.value if isinstance(node.value, str) else "", names
        )
    if kind == "union_tag_not_found":
        return _no_kind(node, *_ENTRIES[detail["loc"][0]][1:])
    if kind == "too_short":
        return f"{named} empty", _example(field, "write at least one entry")
    if kind == "bool_type":
        return f"{named} {value}, neither true nor false", "write true or false"
    problem, advice = _WANTED.get(kind, ("which cannot stand here", "see `kvledger schema`"))
    required = required_at(model, detail["loc"])
    if field is None and required:
        advice = f"write e.g. {_spelled({each.name: each.example for each in required})}"
    return f"{named} {value}, {problem}", _example(field, advice)


def _no_kind(node: Node, what: str, kinds: dict[str, str]) -> tuple[str, str]:
    if not isinstance(node.value, dict):
        return f"{shown(node.value)} is {what}", f"write a mapping with one of {one_of(kinds)}"
    for key in node.value:
        near = nearest(key, kinds)
        if near is not None:
            return f"{shown(key)} is unknown, so this is {what}", f"did you mean `{near}`?"
    return f"this is {what}", f"write one of {one_of(kinds)}"


def _example(field: Field | None, otherwise: str = "") -> str:
    return otherwise if field is None else f"write e.g. `{field.name}: {_spelled(field.example)}`"


def _spelled(value: Any) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_spelled(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_spelled(item) for item in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)
