"""INV-11: what each session has really said: the text of its last turn that ended by itself.

An abort, a refusal or a retract adds nothing to a conversation. A release that takes such a turn's text into the next
prompt, or forgets what was said, has its books in order and answers another question than the client asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from sim.ledger.owners import SESSION, Tag
from sim.world import Ints


@dataclass(frozen=True, slots=True)
class Said:
    """A text, by length and checksum: sessions are many and their texts long."""

    length: int
    checksum: int


NOTHING = Said(0, 0)


def said(text: Ints) -> Said:
    """The text in short."""
    return Said(len(text), crc32(text.tobytes())) if len(text) else NOTHING


class Conversations:
    """The last text of each session, by its owner tag."""

    def __init__(self) -> None:
        self._last: dict[Tag, Said] = {}

    def ended(self, tag: Tag, text: Ints) -> None:
        """A request ended by itself; if it was a turn, its text is what was said."""
        if tag & 3 == SESSION:
            self._last[tag] = said(text)

    def forget(self, tag: Tag) -> None:
        """The session is gone."""
        self._last.pop(tag, None)

    def surplus(self, tag: Tag, history: Ints) -> int | None:
        """None if this is what was said; else by how many tokens it is longer (shorter: negative)."""
        truth = self._last.get(tag, NOTHING)
        return None if truth == said(history) else len(history) - truth.length
