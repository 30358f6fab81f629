"""Finds the few lines that say something, among millions: each word is looked for in a whole block at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

LONGEST = 1 << 22
"""A line that is longer is looked at in pieces."""
HOPELESS = 1 << 28
"""So much of one line, or of what is no text and holds no word, is the end of it."""
WORDS = (
    b"ill batch", b"ode batch", b"available", b"#retracted_reqs", b"Abort ", b"aborted last", b"Session ",
    b"Deferring session", b"hit an exception", b"Error", b"Exception", b"max_total_num_tokens", b"server_args=",
    b"Cache flushed", b"watchdog timeout", b"debug info:", b"sigquit", b'"POST /', b"Req Time Stats(",
    b"memory leak",
)  # fmt: skip
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\b\x1b")
_TEXT = bytes(code for code in range(256) if code not in _CONTROL)


class Line(NamedTuple):
    """A line that may say something; `cut` where its end is missing, `time` where a collector packed it then."""

    number: int
    text: bytes
    cut: bool = False
    time: float | None = None


class Scanner:
    """Turns blocks into lines, and counts what it passes over."""

    def __init__(self) -> None:
        self.lines = 0
        self.size = 0
        self.strange: tuple[int, int, int] | None = None
        """The first byte that no text has: line, column, value."""
        self.endless: int | None = None
        """The line that never ended."""
        self._held = False

    def lines_of(self, blocks: Iterable[bytes]) -> Iterator[Line]:
        """The lines that hold one of the words, in order."""
        rest, open_for = b"", 0
        for block in blocks:
            if not self.size:
                self._look(block)
            self.size += len(block)
            data = rest + block if rest else block
            end = data.rfind(b"\n") + 1
            open_for = 0 if end else open_for + len(block)
            if end == 0 and len(data) > LONGEST:
                end = len(data)
            rest = data[end:]
            if end:
                yield from self._whole(data[:end])
            if self._hopeless(open_for):
                return
        if rest:
            yield from self._whole(rest)
            self.lines += not rest.endswith(b"\n")

    def _hopeless(self, open_for: int) -> bool:
        """Whether nothing is to be hoped for: it may go on for ever."""
        if open_for > HOPELESS:
            self.endless = self.lines + 1
        return self.endless is not None or (self.size > HOPELESS and self.strange is not None and not self._held)

    def _whole(self, data: bytes) -> Iterator[Line]:
        """The lines of a block that ends where a line does."""
        number, passed, found = self.lines + 1, 0, _found(data)
        self._held = self._held or bool(found)
        for start in sorted(found):
            end = found[start]
            number += data.count(b"\n", passed, start)
            passed = start
            yield Line(number, data[start:end], end == len(data))
        self.lines = number - 1 + data.count(b"\n", passed)

    def _look(self, data: bytes) -> None:
        """Whether the first block is text."""
        found = data.translate(None, _TEXT)
        if found:
            at = data.index(found[:1])
            number = 1 + data.count(b"\n", 0, at)
            self.strange = number, at - data.rfind(b"\n", 0, at), data[at]


def _found(data: bytes) -> dict[int, int]:
    """Where the lines begin that hold a word, and where they end."""
    lines: dict[int, int] = {}
    for word in WORDS:
        at = data.find(word)
        while at >= 0:
            end = data.find(b"\n", at)
            if end < 0:
                end = len(data)
            lines[data.rfind(b"\n", 0, at) + 1] = end
            at = data.find(word, end)
    return lines
