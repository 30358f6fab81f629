"""Writes a Perfetto trace packet by packet: tracks, slices, instants and counters of one process.

What many packets have in common is made once; that is what keeps an event cheap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from json import dumps
from typing import IO, Any

Note = int | str | Sequence[int] | Sequence[str]
"""The value of a debug annotation."""
_PACKET = b"\x0a"
"""The key of a packet in a trace: field 1, of a length that follows."""


@dataclass(frozen=True, slots=True)
class Track:
    """A row in the viewer; its events all have the track's category."""

    uuid: int
    category: str


class Packets:
    """The packets of one process, which is one sequence: it has its own numbers for repeated texts."""

    def __init__(self, file: IO[bytes], messages: Any, process: int) -> None:
        self._file = file
        self._messages = messages
        self._process = process
        self._numbers: dict[tuple[str, str], int] = {}
        self._events: dict[tuple[int, str], bytes] = {}
        first = self._packet()
        first.sequence_flags = messages.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
        first.first_packet_on_sequence = True
        self.write(first)

    def process(self, name: str, labels: Sequence[str]) -> Track:
        """The track of the process itself."""
        packet = self._packet()
        descriptor = packet.track_descriptor
        descriptor.uuid = self._uuid(())
        descriptor.process.pid = self._process
        descriptor.process.process_name = name
        descriptor.process.process_labels.extend(labels)
        descriptor.child_ordering = descriptor.EXPLICIT
        self.write(packet)
        return Track(descriptor.uuid, "")

    def track(self, path: tuple[str, ...], parent: Track, category: str = "", rank: int = 0, about: str = "") -> Track:
        """A track with slices or instants; it is the same one wherever the path is the same."""
        packet = self._descriptor(path, parent, rank)
        if about:
            packet.track_descriptor.description = about
        self.write(packet)
        return Track(packet.track_descriptor.uuid, category)

    def counter(self, path: tuple[str, ...], parent: Track, unit: str, rank: int) -> Counter:
        """A track with one number."""
        descriptor = self._descriptor(path, parent, rank)
        descriptor.track_descriptor.counter.unit_name = unit
        self.write(descriptor)
        packet = self._packet()
        packet.track_event.type = self._messages.TrackEvent.TYPE_COUNTER
        packet.track_event.track_uuid = descriptor.track_descriptor.uuid
        return Counter(self, packet)

    def begin(self, track: Track, at: int, name: str, notes: Mapping[str, Note]) -> None:
        """A slice begins."""
        self._event(self._messages.TrackEvent.TYPE_SLICE_BEGIN, track, at, name, notes)

    def end(self, track: Track, at: int) -> None:
        """The slice that was begun last ends."""
        self._event(self._messages.TrackEvent.TYPE_SLICE_END, track, at, "", {})

    def instant(
        self, track: Track, at: int, name: str, notes: Mapping[str, Note], *, flow: str = "", ends: bool = False
    ) -> None:
        """Something without a duration, perhaps one end of a flow: its first, or with `ends` its last."""
        kind = self._messages.TrackEvent.TYPE_INSTANT
        if not flow:
            self._event(kind, track, at, name, notes)
            return
        packet = self._filled(kind, track, at, name, notes)
        event = packet.track_event
        ids = event.terminating_flow_ids if ends else event.flow_ids
        ids.append(self._uuid(("flow", flow)))
        self.write(packet)

    def write(self, packet: Any) -> None:
        """Write one packet, whole as it is."""
        data = packet.SerializeToString()
        self._file.write(_head(len(data)) + data)

    def _event(self, kind: int, track: Track, at: int, name: str, notes: Mapping[str, Note]) -> None:
        self.write(self._filled(kind, track, at, name, notes))

    def _filled(self, kind: int, track: Track, at: int, name: str, notes: Mapping[str, Note]) -> Any:
        """A packet for an event of a kind and category, with what this one says."""
        same = self._events.get((kind, track.category))
        if same is None:
            packet = self._packet()
            packet.track_event.type = kind
            packet.track_event.category_iids.append(self._number("event_categories", track.category))
            same = self._events[kind, track.category] = packet.SerializeToString()
        # A new one each time: a message that is filled again never gives back what it held before.
        packet = self._messages.TracePacket.FromString(same)
        event = packet.track_event
        packet.timestamp = at
        event.track_uuid = track.uuid
        if name:
            event.name_iid = self._number("event_names", name)
        self._annotate(event, notes)
        return packet

    def _annotate(self, event: Any, notes: Mapping[str, Note]) -> None:
        add = event.debug_annotations.add
        for name, value in notes.items():
            number = self._number("debug_annotation_names", name)
            if isinstance(value, int):
                add(name_iid=number, int_value=value)
            elif isinstance(value, str):
                add(name_iid=number, string_value=value)
            else:
                add_value = add(name_iid=number).array_values.add
                for one in value:
                    add_value(**{"int_value" if isinstance(one, int) else "string_value": one})

    def _number(self, table: str, text: str) -> int:
        """The number of a text in one of the sequence's tables; a new one is told first."""
        number = self._numbers.get((table, text))
        if number is None:
            number = self._numbers[table, text] = len(self._numbers) + 1
            packet = self._packet()
            getattr(packet.interned_data, table).add(iid=number, name=text)
            self.write(packet)
        return number

    def _packet(self) -> Any:
        messages = self._messages
        return messages.TracePacket(
            trusted_packet_sequence_id=self._process,
            sequence_flags=messages.TracePacket.SEQ_NEEDS_INCREMENTAL_STATE,
        )

    def _descriptor(self, path: tuple[str, ...], parent: Track, rank: int) -> Any:
        packet = self._packet()
        descriptor = packet.track_descriptor
        descriptor.uuid = self._uuid(path)
        descriptor.parent_uuid = parent.uuid
        descriptor.name = path[-1]
        descriptor.child_ordering = descriptor.EXPLICIT
        descriptor.sibling_order_rank = rank
        return packet

    def _uuid(self, path: tuple[str, ...]) -> int:
        """A number that only this path in this process has, the same in every export."""
        text = dumps((self._process, *path)).encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


@lru_cache
def _head(size: int) -> bytes:
    """What stands before a packet of a trace: its field number and length."""
    head = bytearray(_PACKET)
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return bytes(head)


class Counter:
    """A number over time; only its changes are written."""

    def __init__(self, packets: Packets, packet: Any) -> None:
        self._packets = packets
        self._packet = packet
        self._event = packet.track_event
        self._value: int | None = None

    def set(self, at: int, value: int) -> None:
        """The number from now on."""
        if value != self._value:
            self._value = value
            self._packet.timestamp = at
            self._event.counter_value = value
            self._packets.write(self._packet)
