"""Reads a Perfetto trace back with the message definitions, and holds it to what every viewer takes for granted."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as messages

Event = messages.TrackEvent


@dataclass
class Mark:
    """A slice, or an instant, which ends when it begins."""

    name: str
    start: int
    notes: dict
    category: str
    end: int | None = None
    flows: tuple[int, ...] = ()
    ended_flows: tuple[int, ...] = ()


@dataclass
class TraceRead:
    """What is on each track, by the names from the process down."""

    slices: dict[tuple, list[Mark]] = field(default_factory=lambda: defaultdict(list))
    instants: dict[tuple, list[Mark]] = field(default_factory=lambda: defaultdict(list))
    counters: dict[tuple, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    units: dict[tuple, str] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    pids: list[int] = field(default_factory=list)

    @property
    def marks(self):
        """Slices and instants of all tracks."""
        return [m for tracks in (self.slices, self.instants) for marks in tracks.values() for m in marks]

    def value(self, track, at):
        """What a counter shows at a moment."""
        points = self.counters[track]
        return points[bisect_right(points, at, key=lambda point: point[0]) - 1][1]


class _Reader:
    def __init__(self):
        self.read = TraceRead()
        self.paths = {}
        self.texts = defaultdict(dict)
        self.open = defaultdict(list)
        self.last = {}
        self.sequences = set()

    def packet(self, packet):
        sequence = packet.trusted_packet_sequence_id
        if packet.sequence_flags & packet.SEQ_INCREMENTAL_STATE_CLEARED:
            assert sequence not in self.sequences
            self.sequences.add(sequence)
        assert sequence in self.sequences
        data = packet.interned_data
        for table in ("event_categories", "event_names", "debug_annotation_names"):
            for entry in getattr(data, table):
                assert (table, entry.iid) not in self.texts[sequence]
                self.texts[sequence][table, entry.iid] = entry.name
        if packet.HasField("track_descriptor"):
            self.track(packet.track_descriptor)
        if packet.HasField("track_event"):
            assert packet.HasField("timestamp")
            self.event(packet.timestamp, packet.track_event, self.texts[sequence])

    def track(self, descriptor):
        if descriptor.HasField("process"):
            path = (descriptor.process.process_name,)
            assert path not in self.read.labels
            self.read.pids.append(descriptor.process.pid)
            self.read.labels[path[0]] = list(descriptor.process.process_labels)
        else:
            path = (*self.paths[descriptor.parent_uuid], descriptor.name)
        assert self.paths.get(descriptor.uuid, path) == path
        self.paths[descriptor.uuid] = path
        if descriptor.HasField("counter"):
            self.read.units[path] = descriptor.counter.unit_name

    def event(self, at, event, texts):
        path = self.paths[event.track_uuid]
        assert at >= self.last.get(path, 0), f"time runs backwards on {path}"
        self.last[path] = at
        if event.type == Event.TYPE_COUNTER:
            self.read.counters[path].append((at, event.counter_value))
        elif event.type == Event.TYPE_SLICE_END:
            mark = self.open[path].pop()
            assert at > mark.start, f"{mark} has no duration"
            mark.end = at
        else:
            mark = Mark(
                name=texts["event_names", event.name_iid],
                start=at,
                notes={texts["debug_annotation_names", a.name_iid]: _value(a) for a in event.debug_annotations},
                category=texts["event_categories", event.category_iids[0]],
                flows=tuple(event.flow_ids),
                ended_flows=tuple(event.terminating_flow_ids),
            )
            if event.type == Event.TYPE_SLICE_BEGIN:
                self.read.slices[path].append(mark)
                self.open[path].append(mark)
            else:
                assert event.type == Event.TYPE_INSTANT
                mark.end = at
                self.read.instants[path].append(mark)


def _value(annotation):
    if annotation.array_values:
        return [_value(one) for one in annotation.array_values]
    return annotation.int_value if annotation.HasField("int_value") else annotation.string_value


def read_trace(path: Path) -> TraceRead:
    """The trace, once it is clear that its slices nest, that all of them end, and that every flow has both ends."""
    trace = messages.Trace()
    trace.ParseFromString(path.read_bytes())
    reader = _Reader()
    for packet in trace.packet:
        reader.packet(packet)
    assert not any(reader.open.values()), "a slice does not end"
    begun, ended = ([n for m in reader.read.marks for n in getattr(m, of)] for of in ("flows", "ended_flows"))
    assert sorted(begun) == sorted(ended) == sorted(set(begun))
    return reader.read
