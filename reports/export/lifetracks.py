"""Sessions and requests in a trace: a track for each, with a slice for each state."""

from __future__ import annotations

from collections.abc import Iterator

from reports.export.packets import Packets, Track
from reports.states import ENDS, Change

_RANK = 10
_Name = tuple[str, ...]


class LifeTracks:
    """The tracks of all that live; a request's lies in its session's."""

    def __init__(self, packets: Packets, root: Track, lives: Iterator[Change]) -> None:
        self._packets = packets
        self._root = root
        self._lives = lives
        self._next = next(lives, None)
        self._live: dict[_Name, Track] = {}
        self._busy: set[_Name] = set()
        self._groups: dict[str, Track] = {}
        self._moved: dict[_Name, int] = {}

    def up_to(self, event: int, at: int) -> int:
        """Tell the changes of events up to this one; when the last was, as those of one name are apart."""
        last = at
        if self._moved:
            self._moved.clear()
        while self._next is not None and self._next.event <= event:
            last = max(last, self._change(self._next, at))
            self._next = next(self._lives, None)
        return last

    @property
    def more(self) -> bool:
        """Whether somebody's state changes after the last event."""
        return self._next is not None

    def close(self, at: int) -> None:
        """The run is over for whoever still lives."""
        for name in sorted(self._busy):
            self._packets.end(self._live[name], at)

    def _change(self, life: Change, at: int) -> int:
        name = _name(life)
        track = self._track(name)
        at = max(at, self._moved.get(name, -1) + 1)
        self._moved[name] = at
        if name in self._busy:
            self._packets.end(track, at)
            self._busy.remove(name)
        if life.state in ENDS:
            self._packets.instant(track, at, life.state, {"event": life.event})
            del self._live[name]
        else:
            self._packets.begin(track, at, life.state, {"event": life.event})
            self._busy.add(name)
        return at

    def _track(self, name: _Name) -> Track:
        """The track of a name, told when it begins to live."""
        track = self._live.get(name)
        if track is None:
            kind = name[-2]
            parent = self._track(name[:-2]) if len(name) > 2 else self._group(f"{kind}s")
            track = self._live[name] = self._packets.track(name, parent, kind)
        return track

    def _group(self, name: str) -> Track:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = self._packets.track((name,), self._root, rank=_RANK + len(self._groups))
        return group


def _name(life: Change) -> _Name:
    """The path of its track: session a, or session a, request a/1."""
    session = () if life.session is None else ("session", life.session)
    return session if life.request is None else (*session, "request", life.request)
