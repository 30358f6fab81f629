"""Reads the lines of a run's log as they come: one object each, every mistake told in one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reports.errors import ADVICE, ReportError, unreadable

MOST = 1 << 53
"""Whole numbers from here on are no figures of a run; sums of smaller ones fit into 64 bits."""
Say = Callable[[str], None]
"""Takes one line for the user about what is left out."""


class Rule(NamedTuple):
    """What the value of a key must be, as a test and in words."""

    holds: Callable[[Any], bool]
    words: str


class Line(NamedTuple):
    """One line: its number, its text, and the object that it is."""

    path: Path
    number: int
    text: str
    data: dict[str, Any]

    def wrong(self, key: str, what: str) -> ReportError:
        """The complaint about the value of a key."""
        return _wrong(self.path, self.number, self.text.find(f'"{key}"') + 1, what)

    def check(self, rules: Mapping[str, Rule], required: tuple[str, ...]) -> None:
        """Hold every value to its rule; keys without one are left alone."""
        data = self.data
        for key, value in data.items():
            rule = rules.get(key)
            if rule is not None and not rule.holds(value):
                raise self.wrong(key, f"{key} is {json.dumps(value)[:40]} and must be {rule.words}")
        for key in required:
            if key not in data:
                raise self.wrong("", f"{key} is missing")


def read_lines(path: Path, say: Say) -> Iterator[Line]:
    """Every line; the last one of an interrupted run, cut off, is left out with a word."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                try:
                    yield _line(path, number, raw)
                except ReportError:
                    if raw.endswith(b"\n"):
                        raise
                    say(f"{path}:{number}: the last line is cut off, and left out")
    except OSError as error:
        raise unreadable(path, error) from None


def _line(path: Path, number: int, raw: bytes) -> Line:
    try:
        text = raw.decode("utf-8")
        data = json.loads(text)
        if "\\u" in text:
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise _wrong(path, number, error.colno, f"this is not JSON ({error.msg.lower()})") from None
    except UnicodeDecodeError as error:
        raise _wrong(path, number, error.start + 1, "this is not UTF-8 text") from None
    except UnicodeEncodeError:
        raise _wrong(path, number, text.find("\\u") + 1, "half a pair of surrogates is no text") from None
    except RecursionError:
        raise _wrong(path, number, 1, "nested too deep") from None
    except ValueError:
        raise _wrong(path, number, 1, "a number here is too long") from None
    if not isinstance(data, dict):
        raise _wrong(path, number, 1, "this line is no JSON object")
    return Line(path, number, text, data)


def _wrong(path: Path, number: int, column: int, what: str) -> ReportError:
    return ReportError(f"{path}:{number}:{max(column, 1)}: {what}; {ADVICE}")


def _whole(value: Any) -> bool:
    return type(value) is int and -MOST < value < MOST


def _list_of(holds: Callable[[Any], bool], size: int | None = None) -> Callable[[Any], bool]:
    return lambda value: type(value) is list and size in (None, len(value)) and all(map(holds, value))


def _text(value: Any) -> bool:
    return type(value) is str


WHOLE = Rule(_whole, "a whole number")
TIME = Rule(lambda value: type(value) in (int, float) and 0 <= value < 9e9, "seconds from 0 on")
TEXT = Rule(_text, "a text")
TEXTS = Rule(_list_of(_text), "a list of texts")
WHOLES = Rule(_list_of(_whole), "a list of whole numbers")
FIVE = Rule(_list_of(_whole, 5), "a list of five whole numbers")
