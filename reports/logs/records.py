"""Lines as the records that they were printed as: whose, when, and what they say.

A line may hold several records (a bar of tqdm before one, two processes that wrote at once), colours, or a record
packed in JSON by whoever collected it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
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
    """Takes lines apart; remembers the names of the ranks."""

    def __init__(self) -> None:
        self._ranks: dict[bytes, str] = {}
        self._own = False
        """Whether the log has stamps of the release's loggers."""

    def unpacked(self, line: Line, depth: int = 0) -> list[Line]:
        """The lines that a collector packed in it, without colours; itself where none did."""
        text = _COLOUR.sub(b"", line.text) if b"\x1b" in line.text else line.text
        read = None if line.cut or depth >= _DEEPEST or not text.lstrip().startswith(b"{") else _packed(text)
        if read is None:
            return [line if text is line.text else line._replace(text=text)]
        message, when = read
        first, *more = message.removesuffix(b"\n").split(b"\n")
        time = None if STAMP.match(first) else self._json_time(when)
        parts = [Line(line.number, first, time=line.time if time is None else time)]
        parts += [Line(line.number, part) for part in more]
        return [inner for part in parts for inner in self.unpacked(part, depth + 1)]

    def of(self, line: Line) -> Iterable[Record]:
        """The records of a line that is not packed."""
        text = line.text
        stamp = STAMP.match(text)
        if stamp is not None and text.find(b"[2", stamp.end()) < 0:
            # Nearly every line is one record.
            return (self._stamped(line, text, stamp, len(text), line.cut),)
        return self._of(line)

    def _of(self, line: Line) -> Iterator[Record]:
        text = line.text
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

    def _stamped(self, line: Line, text: bytes, stamp: re.Match[bytes], end: int, cut: bool) -> Record:
        """What follows a stamp."""
        self._own = True
        said = _decoded(text[stamp.end() : end])
        return Record(line.number, said, self.time(stamp), self.rank(stamp[4]), True, cut)

    def _unstamped(self, line: Line, text: bytes, cut: bool) -> Record:
        stamp = _BARE.search(text[:200])
        time = (self.time(stamp) if stamp else None) or line.time
        begins = line.time is not None and not self._own
        return Record(line.number, _decoded(text), time, "", begins, cut)

    def time(self, stamp: re.Match[bytes]) -> float | None:
        """When, in seconds; None where there is no such minute."""
        seconds = _seconds(stamp[1])
        if seconds is None:
            return None
        part = stamp[3]
        return seconds + int(stamp[2]) + (int(part) / 10 ** len(part) if part else 0.0)

    def _json_time(self, read: dict[str, Any]) -> float | None:
        for key in _TIMES:
            value = read.get(key)
            if isinstance(value, str):
                stamp = _BARE.match(value.encode("ascii", "replace"))
                if stamp is not None and (seconds := self.time(stamp)) is not None:
                    return seconds
            elif isinstance(value, (int, float)) and not isinstance(value, bool) and 1e9 <= value < 1e10:
                return float(value)
        return None

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


@lru_cache(maxsize=16)
def _seconds(minute: bytes) -> float | None:
    try:
        moment = datetime.fromisoformat(minute.decode()).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp()


def _packed(text: bytes) -> tuple[bytes, dict[str, Any]] | None:
    """What a JSON object says, and the object: nothing where it is a request; None if it is none with a message."""
    try:
        read: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict):
        return None
    if str(read.get("event")).startswith("request."):
        return b"", {}
    message = next((read[key] for key in _TEXTS if isinstance(read.get(key), str)), None)
    if message is None:
        return None
    return message.encode("utf-8", "replace"), read
