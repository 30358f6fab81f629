"""From bytes to a tree in which every key and value knows its line and column.

The tree is built from PyYAML's parse events and not by its composer: the composer recurses in C, so a deeply
nested file would end the process, and its YAML 1.1 resolver reads `1:30` as 90 and `on` as true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from sim.scenario.errors import Place, ScenarioError, printable, shown

LARGEST_FILE = 16 << 20
DEEPEST = 32
Plain: TypeAlias = Any
"""What a tree is without its places: dict, list, str, int, float, bool or None."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
INT = re.compile(r"[-+]?[0-9](_?[0-9])*")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Plain] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True)
class Node:
    """A value of the file: a scalar, a list of nodes, or a mapping of keys to nodes."""

    place: Place
    value: Plain
    end: Place
    keys: dict[str, Place]

    def plain(self) -> Plain:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def find(self, *path: str | int) -> Node | None:
        """The node at the end of this path."""
        node: Node | None = self
        for step in path:
            node = node._child(step) if node is not None else None
        return node

    def place_of(self, *path: str | int) -> Place:
        """Where the value at this path stands, or the innermost part of the path that exists."""
        node = self
        for step in path:
            child = node._child(step)
            if child is None:
                break
            node = child
        return node.place

    def items(self) -> list[Node]:
        """The nodes of a list; none where there is no list."""
        return self.value if isinstance(self.value, list) else []

    def _child(self, step: str | int) -> Node | None:
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            child: Node = self.value[step]
            return child
        return None


def merge(base: Node | None, over: Node, either: Iterable[frozenset[str]] = ()) -> Node:
    """`over` laid on `base`, mappings key by key; each part keeps the place that spelled it.

    Of the keys of one mapping that say the same in `either` of two ways, one in `over` replaces the other in `base`.
    """
    if base is None or not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    merged = dict(base.value)
    for ways in either:
        if any(key in ways and node.value is not None for key, node in over.value.items()):
            merged = {key: node for key, node in merged.items() if key not in ways}
    for key, node in over.value.items():
        merged[key] = merge(merged.get(key), node, either)
    return Node(over.place, merged, over.end, base.keys | over.keys)


def read_text(path: Path) -> str:
    """The text of a scenario file; whatever prevents reading it is said in one line."""
    start = Place(str(path), 1, 1)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise ScenarioError(start, "there is no such file", "write the path of a scenario file") from None
    except IsADirectoryError:
        raise ScenarioError(start, "this is a directory", "write the path of a scenario file in it") from None
    except PermissionError:
        raise ScenarioError(
            start, "this file may not be read", "allow reading it, e.g. `chmod u+r`"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ScenarioError(
            start, f"cannot be read ({reason})", "write the path of a scenario file"
        ) from None
    if len(data) > LARGEST_FILE:
        raise ScenarioError(
            start, "the file is larger than 16 MiB", "describe the load with a generator, e.g. `poisson`"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        at = Place(str(path), line, column)
        raise ScenarioError(at, "this is not UTF-8 text", "write a YAML file in UTF-8") from None


def parse(text: str, file: str) -> Node:
    """The one mapping that a scenario text spells."""
    _refuse_control_characters(text, file)
    try:
        tree = _Builder(file).build(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        raise _not_yaml(error, text, file) from None
    if tree is None or tree.value is None:
        raise ScenarioError(
            Place(file, 1, 1),
            "the file is empty",
            "write a scenario, starting with `name:`, `pool:`, `workload:`",
        )
    if not isinstance(tree.value, dict):
        kind = "a list" if isinstance(tree.value, list) else shown(tree.value)
        raise ScenarioError(
            tree.place,
            f"the file holds {kind}, not a mapping",
            "write `key: value` lines, e.g. `name: my-scenario`",
        )
    return tree


def _refuse_control_characters(text: str, file: str) -> None:
    found = _CONTROL.search(text)
    if found:
        before = text[: found.start()]
        place = Place(file, before.count("\n") + 1, found.start() - before.rfind("\n"))
        raise ScenarioError(
            place, f"the character {printable(found[0])} is not text", "write a YAML file in UTF-8"
        )


def _not_yaml(error: yaml.YAMLError, text: str, file: str) -> ScenarioError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    line = next(iter(text.split("\n")[place.line - 1 : place.line]), "")
    tab = line[place.column - 1 :].startswith("\t")
    advice = (
        "indent with spaces, not tabs" if tab else "check the indentation, colons, quotes and brackets here"
    )
    return ScenarioError(place, f"this is not YAML ({problem})", advice)


@dataclass
class _Open:
    """A list or mapping whose end has not been read yet."""

    place: Place
    value: dict[str, Node] | list[Node]
    keys: dict[str, Place]
    key: str | None = None


class _Builder:
    """Builds the tree from events, with a stack of its own instead of recursion."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def build(self, events: Iterator[Any]) -> Node | None:
        """The tree of the only document."""
        for event in events:
            place = Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    raise ScenarioError(
                        place, "a second document begins here", "write each scenario in a file of its own"
                    )
            elif isinstance(event, yaml.AliasEvent):
                raise ScenarioError(
                    place, f"the alias `*{event.anchor}` is not understood", "write the value out"
                )
            elif isinstance(event, yaml.CollectionStartEvent | yaml.ScalarEvent):
                self._refuse_decoration(event, place)
                self._begin(event, place)
            elif isinstance(event, yaml.CollectionEndEvent):
                done = self._stack.pop()
                self._add(Node(done.place, done.value, place, done.keys))
        return self._root

    def _refuse_decoration(self, event: Any, place: Place) -> None:
        if event.anchor is not None:
            raise ScenarioError(
                place,
                f"the anchor `&{event.anchor}` is not understood",
                "write the value out where it is used",
            )
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise ScenarioError(
                place, f"the tag `{tag}` is not understood", "write the plain value, without `!`"
            )

    def _begin(self, event: Any, place: Place) -> None:
        holder = self._stack[-1] if self._stack else None
        wants_key = holder is not None and isinstance(holder.value, dict) and holder.key is None
        if isinstance(event, yaml.ScalarEvent):
            if holder is not None and wants_key:
                self._take_key(holder, event, place)
            else:
                quoted = not event.implicit[0]
                value = event.value if quoted else _resolve(event.value, place)
                self._add(Node(place, value, place, {}))
            return
        if wants_key:
            raise ScenarioError(place, "a key is a list or a mapping", "write a name before the colon")
        if len(self._stack) >= DEEPEST:
            raise ScenarioError(
                place,
                f"nested more than {DEEPEST} deep",
                "a scenario needs no more than 8: check the brackets",
            )
        empty: dict[str, Node] | list[Node] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_Open(place, empty, {}))

    def _take_key(self, holder: _Open, event: Any, place: Place) -> None:
        key: str = event.value
        first = holder.keys.get(key)
        if first is not None:
            raise ScenarioError(
                place,
                f"the key {shown(key)} stands twice, first in line {first.line}",
                "leave one of the two out",
            )
        if key == "<<" and event.implicit[0]:
            raise ScenarioError(
                place, "merging with `<<` is not understood", "write the keys out, or use `variants:`"
            )
        holder.keys[key] = place
        holder.key = key

    def _add(self, node: Node) -> None:
        if not self._stack:
            self._root = node
            return
        holder = self._stack[-1]
        if isinstance(holder.value, list):
            holder.value.append(node)
        else:
            assert holder.key is not None, "a value follows its key"
            holder.value[holder.key] = node
            holder.key = None


def _resolve(text: str, place: Place) -> Plain:
    """A plain scalar by YAML 1.2's core schema, with `_` between digits allowed."""
    if text in _WORDS:
        return _WORDS[text]
    if INT.fullmatch(text):
        if len(text) > 30:
            raise ScenarioError(
                place, f"the number {shown(text)} is too long", "write a number that a machine could hold"
            )
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    return text
