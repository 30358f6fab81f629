"""Lines as the records that they were printed as: whose, when, and what they say.

A line may hold several records (a bar of tqdm before one, two processes that wrote at once), colours, or a record
packed in JSON by whoever collected it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from reports.logs.scanning import Line

STAMP = re.compile(
    rb"(?<!['`])(?<!\\n)\[(\d{4}-\d\d-\d\d[ T]\d\d:\d\d):(\d\d)(?:[.,](\d{1,6}))?Z?"
    rb"((?: (?:DP|PP|ATTN_CP|MOE_DP|TP|EP)\d{1,5})*)\] ?"
)
"""What loggers begin a record with: the minute, the second, parts of it, and the rank. After a quote it is quoted."""
_BARE = re.compile(rb"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d):(\d\d)(?:[.,](\d{1,6}))?")
_COLOUR = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_TEXTS = ("message", "msg", "log", "text", "MESSAGE")
_TIMES = ("asctime", "timestamp", "@timestamp", "time", "ts", "created")
_REQUESTS = (b"Receive: obj=", b"Receive OpenAI: obj=", b"Finish: obj=")
"""What clients wrote, up to the end of the line."""
_DEEPEST = 3


class Record(NamedTuple):
    """One record; no time where it has no stamp, `cut` where its last character may not be the last one."""

    line: int
    text: str
    time: float | None = None
    rank: str = ""
    stamped: bool = False
    cut: bool = False


class Records:
    """Takes lines apart; remembers the last minute that it has read, and the names of the ranks."""

    def __init__(self) -> None:
        self._minute = b""
        self._seconds = 0.0
        self._ranks: dict[bytes, str] = {}
        self._own = False
        """Whether the log has stamps of the release's loggers."""

    def of(self, line: Line) -> Iterable[Record]:
        """The records of a line."""
        text = line.text
        if b"\x1b" in text:
            text = _COLOUR.sub(b"", text)
        stamp = STAMP.match(text)
        if stamp is not None and text.find(b"[2", stamp.end()) < 0:
            # Nearly every line is one record.
            return (self._stamped(line, text, stamp, len(text), line.cut),)
        return self._of(line, text, 0)

    def _of(self, line: Line, text: bytes, depth: int) -> Iterator[Record]:
        packed = None if line.cut or depth >= _DEEPEST or not text.lstrip().startswith(b"{") else _packed(text)
        if packed is not None:
            yield from self._unpacked(line, *packed, depth + 1)
            return
        stamps = list(STAMP.finditer(text))
        head = text[: stamps[0].start()] if stamps else text
        if head.startswith(_REQUESTS):
            return
        if head or not stamps:
            yield self._unstamped(line, head, line.cut or bool(stamps))
        for stamp, following in zip_longest(stamps, stamps[1:]):
            last = following is None or text.startswith(_REQUESTS, stamp.end())
            end = len(text) if last else following.start()
            yield self._stamped(line, text, stamp, end, line.cut if last else True)
            if last:
                return

    def _unpacked(self, line: Line, message: bytes, time: float | None, depth: int) -> Iterator[Record]:
        """The records of a message that was packed in JSON at that time."""
        for number, part in enumerate(message.split(b"\n")):
            for record in self._of(Line(line.number, part), part, depth):
                if record.stamped or number:
                    yield record
                else:
                    begins = time is not None and not self._own
                    yield record._replace(time=record.time or time, stamped=begins)

    def _stamped(self, line: Line, text: bytes, stamp: re.Match[bytes], end: int, cut: bool) -> Record:
        """What follows a stamp."""
        self._own = True
        said = _decoded(text[stamp.end() : end])
        return Record(line.number, said, self.time(stamp), self.rank(stamp[4]), True, cut)

    def _unstamped(self, line: Line, text: bytes, cut: bool) -> Record:
        stamp = _BARE.search(text[:200])
        return Record(line.number, _decoded(text), self.time(stamp) if stamp else None, "", False, cut)

    def time(self, stamp: re.Match[bytes]) -> float | None:
        """When, in seconds; None where there is no such minute."""
        minute = stamp[1]
        if minute != self._minute:
            seconds = _seconds(minute)
            if seconds is None:
                return None
            self._minute, self._seconds = minute, seconds
        part = stamp[3]
        return self._seconds + int(stamp[2]) + (int(part) / 10 ** len(part) if part else 0.0)

    def rank(self, label: bytes) -> str:
        """Whose name stands in a stamp."""
        name = self._ranks.get(label)
        if name is None:
            name = label.decode().strip()
            if len(self._ranks) < 1 << 12:
                self._ranks[label] = name
        return name


def _decoded(text: bytes) -> str:
    """A record as text; a bar of tqdm leaves carriage returns before it, another system one at its end."""
    if text.endswith(b"\r"):
        text = text[:-1]
    return text.decode("utf-8", "replace")


def _seconds(minute: bytes) -> float | None:
    try:
        moment = datetime.fromisoformat(minute.decode()).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp()


def _packed(text: bytes) -> tuple[bytes, float | None] | None:
    """What a JSON object says, and when: nothing where it is a request; None if it is none that holds a message."""
    try:
        read: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict):
        return None
    if str(read.get("event")).startswith("request."):
        return b"", None
    message = next((read[key] for key in _TEXTS if isinstance(read.get(key), str)), None)
    if message is None:
        return None
    return message.encode("utf-8", "replace"), _json_time(read)


def _json_time(read: dict[str, Any]) -> float | None:
    for key in _TIMES:
        value = read.get(key)
        if isinstance(value, str):
            found = _BARE.match(value.encode("ascii", "replace"))
            seconds = _seconds(found[1]) if found else None
            if found and seconds is not None:
                return seconds + int(found[2])
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and 1e9 <= value < 1e10:
            return float(value)
    return None
