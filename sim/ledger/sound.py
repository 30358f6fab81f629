"""Whether a pool on a device is sound: counted there, told by a few numbers that are known beforehand.

    each unit   stands once in the free list, or once in the tree, or is named by one row
    shared      what rows name of the tree is in the tree
    torn        no page is named otherwise than slot by slot

A count that is not sound is made anew on the host (`recount.py`), which says who and what; this one only says that. It
is stricter: whatever it passes is sound, and what it does not pass may be. Where to read is for the host to know; what
stands there is read, counted and compared by the device, in as few kernels as torch allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from sim.ledger.physical import Holder, Ints
from sim.memory.backend import Array, Backend

Told: TypeAlias = "tuple[torch.Tensor, int]"
"""A number that the device finds, and the one that it must be."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where rows name pages: entries of the flat rows, sent to the device.

    own     the first entry of each page beyond the tree's part     shared    the same of the tree's part
    inside  all other entries, `offset` behind the `first` of their page
    """

    own: Array
    shared: Array
    inside: Array
    first: Array
    offset: Array


def places(backend: Backend, width: int, holders: Sequence[Holder], page: int) -> Places:
    """What these holders name.

    A session and the turn that borrows its row are one owner of one row.
    """
    ranges: dict[tuple[int, int], tuple[int, int]] = {}
    for holder in holders:
        key = holder.tag, holder.row
        protected, stop = ranges.get(key, (holder.protected, 0))
        ranges[key] = min(protected, holder.protected), max(stop, holder.stop)
    plain = [(row * width, protected, stop) for (_, row), (protected, stop) in ranges.items()]
    begin, protected_to, stop_at = np.array(plain, dtype=np.int64).reshape(-1, 3).T
    which = np.repeat(np.arange(len(plain)), stop_at)
    place = np.arange(len(which)) - (np.cumsum(stop_at) - stop_at)[which]
    at, offset = begin[which] + place, place % page
    begins, mine = offset == 0, place >= protected_to[which]
    inside = ~begins
    send = backend.send
    return Places(
        own=send(at[begins & mine]), shared=send(at[begins & ~mine]), inside=send(at[inside]),
        first=send((at - offset)[inside]), offset=send(offset[inside]),
    )  # fmt: skip


def starts(runs: Sequence[Ints], page: int) -> Ints:
    """The first slot of each page of the tree's nodes."""
    joined = np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)
    return joined[::page]


class Rows:
    """What the rows name, or the windowed halves of it."""

    def __init__(self, flat: torch.Tensor, places: Places, mapping: torch.Tensor | None = None) -> None:
        self._flat = flat
        self._places = places
        self._mapping = mapping

    def read(self, at: torch.Tensor) -> torch.Tensor:
        """What stands in these entries."""
        slots = self._flat[at]
        return slots if self._mapping is None else self._mapping[slots]

    def counted(self, units: int, page: int, free: torch.Tensor, tree: torch.Tensor) -> list[Told]:
        """Count a pool of pages: of `free` the pages, of `tree` the first slot of each; slot 0 is none."""
        at = self._places
        own, shared = self.read(at.own), self.read(at.shared)
        if page > 1:
            own, shared, tree = own // page, shared // page, tree // page
        counts = torch.zeros((2, units + 1), dtype=torch.int32, device=free.device)
        one = torch.ones(1, dtype=torch.int32, device=free.device)
        named, in_tree = counts
        for pages in (free, tree, own):
            named.index_add_(0, pages, one.expand(len(pages)))
        in_tree.index_add_(0, tree, one.expand(len(tree)))
        least, most = torch.aminmax(named[1:])
        told = [(least, 1), (most, 1)]
        if len(shared):
            in_tree[:1] = 1
            told.append((in_tree[shared].amin(), 1))
        return told + self._torn(page)

    def _torn(self, page: int) -> list[Told]:
        """Entries that do not go on where the first of their page begins."""
        at = self._places
        if not len(at.inside):
            return []
        first, inside = self.read(at.first), self.read(at.inside)
        torn = (inside - at.offset != first) & ((inside > 0) | (first > 0))
        return [(torn.any(), 0), ((first % page).amax(), 0)]


def tagged(tags: torch.Tensor, free: torch.Tensor) -> list[Told]:
    """Whether the units tagged as free are those in the free list."""
    told = [(torch.count_nonzero(tags[1:]), len(tags) - 1 - len(free))]
    return [*told, (tags[free].amax(), 0)] if len(free) else told


def agree(backend: Backend, told: Sequence[Told]) -> bool:
    """Whether every number is what it must be; one read."""
    found = backend.get(numbers(told)).tolist()
    return bool(found == [must for _, must in told])


def numbers(told: Sequence[Told]) -> torch.Tensor:
    """What was found, in one tensor."""
    return torch.stack([found.long() for found, _ in told])
