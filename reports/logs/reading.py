"""The bytes of a log, a block at a time: a file, standard input, or either of them packed."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

from reports.errors import ReportError
from sim.scenario.errors import printable

BLOCK = 1 << 20
_PIECE = 1 << 12
"""Of what is packed: of a damaged piece nothing is read."""
_ZSTD = b"\x28\xb5\x2f\xfd"
_MOST_MEMORY = 1 << 27
"""For what a file of xz asks for; the best that its command packs needs half of it."""
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
        return "<stdin>" if str(self.path) == "-" else printable(str(self.path))

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
        if first.startswith(_ZSTD):
            unpacked = f"zstd -dc {self.path} | kvledger log -" if self.name != "<stdin>" else "zstd -dc"
            raise ReportError(f"{self.name}:1:1: this is packed with zstd; unpack it first: {unpacked}")
        make = next((make for begin, make in _PACKED.items() if first.startswith(begin)), None)
        if make is not None:
            yield from self._unpacked(_Packed(make), first, file)
            return
        yield first
        yield from iter(lambda: file.read(BLOCK), b"")

    def _unpacked(self, packed: _Packed, first: bytes, file: BinaryIO) -> Iterator[bytes]:
        """What was packed, as far as it can be unpacked: a log that is still written to ends anywhere."""
        seen = False
        pieces = (first[at : at + _PIECE] for at in range(0, len(first), _PIECE))
        for block in chain(pieces, iter(lambda: file.read(_PIECE), b"")):
            try:
                for text in packed.unpack(block):
                    seen = True
                    yield text
            except (zlib.error, lzma.LZMAError, OSError):
                self.cut = "what follows cannot be unpacked"
                break
        else:
            if not packed.complete:
                self.cut = "the packed file ends in the middle"
        if not seen:
            raise ReportError(f"{self.name}:1:1: nothing in it can be unpacked; {_ADVICE}")


class _Unpacker(Protocol):
    """What the library has for each way of packing."""

    @property
    def eof(self) -> bool:
        """Whether what was packed together is unpacked."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out of what was put in."""

    @property
    def unused_data(self) -> bytes:
        """What came after the end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """What comes out, never more than so much."""


class _Gzip:
    """The one that the library words otherwise."""

    def __init__(self) -> None:
        self._packed = zlib.decompressobj(31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """As above."""
        return self._packed.eof

    @property
    def unused_data(self) -> bytes:
        """As above."""
        return self._packed.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """As above."""
        text = self._packed.decompress(self._packed.unconsumed_tail + data, max_length)
        self.needs_input = len(text) < max_length and not self._packed.unconsumed_tail
        return text


_PACKED: dict[bytes, Callable[[], _Unpacker]] = {
    b"\x1f\x8b": _Gzip,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY),
    b"BZh": bz2.BZ2Decompressor,
}
"""By what such a file begins with."""


class _Packed:
    """Unpacks one member after the other, never much at a time."""

    def __init__(self, make: Callable[[], _Unpacker]) -> None:
        self._make = make
        self._packed = make()
        self.complete = False

    def unpack(self, block: bytes) -> Iterator[bytes]:
        """The text of one block."""
        while block or not (self._packed.needs_input or self._packed.eof):
            if self._packed.eof:
                block = block.lstrip(b"\0")
                if not block:
                    return
                self._packed = self._make()
            text = self._packed.decompress(block, BLOCK)
            self.complete = self._packed.eof
            block = self._packed.unused_data if self.complete else b""
            if text:
                yield text
