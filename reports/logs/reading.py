"""The bytes of a log, a block at a time: a file, standard input, or either of them packed with gzip."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from reports.errors import ReportError

BLOCK = 1 << 20
_PIECE = 1 << 12
"""Of what is packed: of a damaged piece nothing is read."""
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ADVICE = "give what a server of SGLang has printed"


class Source:
    """Where a log comes from; `cut` says afterwards why it could not be read to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut: str | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return "<stdin>" if str(self.path) == "-" else str(self.path)

    def blocks(self) -> Iterator[bytes]:
        """Its text, in blocks of at most a few megabytes, none of them empty."""
        if str(self.path) == "-":
            yield from self._text(sys.stdin.buffer)
            return
        try:
            with self.path.open("rb") as file:
                yield from self._text(file)
        except OSError as error:
            raise ReportError(f"{self.name}: cannot be read: {error.strerror}; {_ADVICE}") from None

    def _text(self, file: BinaryIO) -> Iterator[bytes]:
        first = file.read(BLOCK)
        if not first:
            raise ReportError(f"{self.name}:1:1: the file is empty; {_ADVICE}")
        if first.startswith(_UTF16) and b"\0" in first[:4]:
            raise ReportError(f"{self.name}:1:1: this is UTF-16; write it as UTF-8, e.g. iconv -f utf-16 -t utf-8")
        if first.startswith(_GZIP):
            yield from self._unpacked(first, file)
            return
        yield first
        yield from iter(lambda: file.read(BLOCK), b"")

    def _unpacked(self, first: bytes, file: BinaryIO) -> Iterator[bytes]:
        """What was packed, as far as it can be unpacked: a log that is still written to ends anywhere."""
        packed = _Gzip()
        seen = False
        pieces = (first[at : at + _PIECE] for at in range(0, len(first), _PIECE))
        for block in chain(pieces, iter(lambda: file.read(_PIECE), b"")):
            try:
                for text in packed.unpack(block):
                    seen = True
                    yield text
            except zlib.error:
                self.cut = "what follows cannot be unpacked"
                break
        else:
            if not packed.complete:
                self.cut = "the packed file ends in the middle"
        if not seen:
            raise ReportError(f"{self.name}:1:1: nothing in it can be unpacked; {_ADVICE}")


class _Gzip:
    """Unpacks one member after the other, never much at a time."""

    def __init__(self) -> None:
        self._packed = zlib.decompressobj(31)
        self.complete = False

    def unpack(self, block: bytes) -> Iterator[bytes]:
        """The text of one block."""
        while block:
            if self._packed.eof:
                block = block.lstrip(b"\0")
                if not block:
                    return
                self._packed = zlib.decompressobj(31)
            text = self._packed.decompress(block, BLOCK)
            self.complete = self._packed.eof
            block = self._packed.unused_data if self._packed.eof else self._packed.unconsumed_tail
            if text:
                yield text
