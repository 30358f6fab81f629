"""Index by index: all that a scheduler's memory names, so that two engines can be compared below their sums.

`Snapshot` says how much there is and who runs; `Layout` says which slot, which row, in which order. Both engines
build it from what they have; nothing in it depends on object identity or on the process.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from sim.engines.protocol import Snapshot

PAIR_BITS = 32
_AROUND = 3


class StateLayout(NamedTuple):
    """The recurrent state of one request or session: its running slot, its snapshots and which is written next."""

    slot: int | None
    snapshots: tuple[int, ...]
    next: int | None
    tracked: int | None
    branching: int | None


class RequestLayout(NamedTuple):
    """One request that waits, is prefilled in chunks, runs, or stands in the last batch.

    `prompt` is the length of its whole prompt, `slots` its row from 0 to a; without a row both are empty.
    """

    rid: str
    row: int | None
    c: int
    a: int
    p: int
    e: int
    out: int
    prompt: int
    chunks: int
    retracted: bool
    finish: str
    slots: tuple[int, ...]
    state: StateLayout | None = None


class SlotLayout(NamedTuple):
    """What one session holds; `slots` is its row from 0 to a."""

    session: str
    row: int | None
    c: int
    a: int
    p: int
    e: int
    slots: tuple[int, ...]
    state: StateLayout | None = None


class NodeLayout(NamedTuple):
    """One node of the prefix tree but the root; `path` is `path_crc` of all units from the root to its end.

    `depth` is how many units stand above it, `slots` names one slot for each of its `length` units. `other_lock` is the
    lock count of the windowed or recurrent half, `tombstone` whether that half is gone, `marked` whether a windowed
    lock ends here, `state` the slot of the recurrent state.
    """

    path: int
    depth: int
    length: int
    lock_ref: int
    slots: tuple[int, ...]
    other_lock: int = 0
    tombstone: bool = False
    marked: bool = False
    state: int = -1


_REQUEST_SLOTS = RequestLayout._fields.index("slots")
_SLOT_SLOTS = SlotLayout._fields.index("slots")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The memory of one scheduler between two operations; comparable with `==`.

    Requests stand in the order of their ids (where an id is used twice: of waiting, chunked, running, last batch);
    slots in the order of session names; nodes sorted. Free lists stand as they will be handed out: pages where the
    """

    free: dict[str, tuple[int, ...]]
    free_rows: tuple[int, ...]
    requests: tuple[RequestLayout, ...]
    slots: tuple[SlotLayout, ...]
    tree: tuple[NodeLayout, ...]
    ratio: float
    batch_full: bool
    forwards: int
    mapping: tuple[int, ...] = ()
    recency: dict[str, tuple[int, ...]] = field(default_factory=dict)


def path_crc(above: int, units: Any) -> int:
    """Hash of a path that continues the one hashed as `above` (0 for the root) by these units.

    A unit is a token id, or for a tree of neighbouring pairs `first << PAIR_BITS | second`.
    """
    return crc32(np.asarray(units, dtype="<i8").tobytes(), above)


# -- fingerprints: the same in every process ---------------------------------------------------------------


def snapshot_crc(snapshot: Snapshot, start: int = 0) -> int:
    """One number for a snapshot."""
    pools = [(name, *terms) for name, terms in sorted(snapshot.pools.items())]
    sessions = [
        (s.session, s.row, s.c, s.a, s.p, s.e, s.history, s.inflight, s.closing, s.states) for s in snapshot.sessions
    ]
    plain = (
        pools, snapshot.free_rows, snapshot.waiting, snapshot.running, snapshot.chunked, snapshot.last_batch, sessions,
    )  # fmt: skip
    return crc32(repr(plain).encode(), start)


def layout_crc(layout: Layout, start: int = 0) -> int:
    """One number for a layout. Long runs of numbers go in as bytes: their `repr` would cost ten times as much."""
    crc = start
    named: list[Any] = [layout.ratio, layout.batch_full, layout.forwards]
    numbers = array("q")
    for name, free in sorted(layout.free.items()):
        named.append((name, len(free)))
        numbers.extend(free)
    numbers.extend(layout.free_rows)
    for request in layout.requests:
        named.append((request[:_REQUEST_SLOTS], request.state))
        numbers.extend(request.slots)
    for slot in layout.slots:
        named.append((slot[:_SLOT_SLOTS], slot.state))
        numbers.extend(slot.slots)
    for node in layout.tree:
        path, depth, length, lock_ref, slots, *other = node
        numbers.extend((path, depth, length, lock_ref, *other))
        numbers.extend(slots)
    named.append((len(layout.free_rows), len(layout.tree)))
    if layout.mapping:
        numbers.extend(layout.mapping)
    for name, paths in sorted(layout.recency.items()):
        named.append((name, len(paths)))
        numbers.extend(paths)
    return crc32(numbers, crc32(repr(named).encode(), crc))


# -- differences -------------------------------------------------------------------------------------------


def differences(one: Layout, other: Layout) -> list[str]:
    """A line for each thing that differs, both values in it; long lists are shown around where they part."""
    return list(_differences(one, other))


def _differences(one: Layout, other: Layout) -> Iterator[str]:
    for pool in sorted({*one.free, *other.free}):
        yield from _list(f"free list of {pool}", one.free.get(pool, ()), other.free.get(pool, ()))
    yield from _list("free rows", one.free_rows, other.free_rows)
    yield from _list("mapping", one.mapping, other.mapping)
    for name in sorted({*one.recency, *other.recency}):
        yield from _list(f"eviction list of {name}", one.recency.get(name, ()), other.recency.get(name, ()))
    yield from _named("request", _by_rid(one.requests), _by_rid(other.requests))
    yield from _named("slot of session", {s.session: s for s in one.slots}, {s.session: s for s in other.slots})
    yield from _named("node", _by_path(one.tree), _by_path(other.tree))
    for name in ("ratio", "batch_full", "forwards"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine != theirs:
            yield f"{name}: {mine} | {theirs}"


def _by_rid(requests: Iterable[RequestLayout]) -> dict[str, Any]:
    """By id; a second request of the same id is `id (2)`."""
    named: dict[str, Any] = {}
    for request in requests:
        name, count = request.rid, 1
        while name in named:
            count += 1
            name = f"{request.rid} ({count})"
        named[name] = request
    return named


def _by_path(nodes: Iterable[NodeLayout]) -> dict[str, Any]:
    return {f"{n.path:08x} [{n.depth}, {n.depth + n.length})": n for n in nodes}


def _named(kind: str, one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    for name in sorted({*one, *other}):
        mine, theirs = one.get(name), other.get(name)
        if mine == theirs:
            continue
        if mine is None or theirs is None:
            there = mine if mine is not None else theirs
            text = ", ".join(_fields(there))
            yield f"{kind} {name}: {text} | not there" if theirs is None else f"{kind} {name}: not there | {text}"
            continue
        yield from _values(f"{kind} {name}", mine, theirs)


def _fields(there: Any) -> Iterator[str]:
    usual = there._field_defaults
    for name in there._fields[1:]:
        value = getattr(there, name)
        if name in usual and value == usual[name]:
            continue
        yield f"{len(value)} slots" if name == "slots" else f"{name} {_word(value)}"


def _values(name: str, one: Any, other: Any) -> Iterator[str]:
    for part in one._fields[1:]:
        mine, theirs = getattr(one, part), getattr(other, part)
        if mine == theirs:
            continue
        if part == "slots":
            yield from _list(f"{name}, slots", mine, theirs)
        else:
            yield f"{name}, {part}: {_word(mine)} | {_word(theirs)}"


def _word(value: object) -> str:
    return "–" if value is None or value == "" else str(value)


def _list(name: str, one: Sequence[int], other: Sequence[int]) -> Iterator[str]:
    if one == other:
        return
    length = min(len(one), len(other))
    at = next((i for i in range(length) if one[i] != other[i]), length)
    counts = f"{len(one)}" if len(one) == len(other) else f"{len(one)} | {len(other)}"
    yield f"{name} ({counts}), from index {at}: {_around(one, at)} | {_around(other, at)}"


def _around(values: Sequence[int], at: int) -> str:
    start, stop = max(0, at - _AROUND), at + _AROUND + 1
    words = ["…"] if start else []
    words += [f"[{v}]" if i == at else str(v) for i, v in enumerate(values[start:stop], start)]
    if at >= len(values):
        words.append("[end]")
    if stop < len(values):
        words.append("…")
    return " ".join(words)
