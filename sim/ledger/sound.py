"""Whether a pool on a device is sound: counted there, told by one flag.

    each unit   stands once in the free list, or once in the tree, or is named by one row
    shared      what rows name of the tree is in the tree

A count that is not sound is made anew on the host (`recount.py`), which says who and what; this one only says that. It
is stricter: whatever it passes is sound, and what it does not pass may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sim.ledger.physical import Holder, Ints

_TREE = 1 << 16
"""Named by the tree: kept apart in the upper half of each count."""


@dataclass(frozen=True, slots=True)
class Named:
    """What rows name, entry by entry: the slot, and where in its row; `own` beyond what the tree owns."""

    slots: torch.Tensor
    place: torch.Tensor
    own: torch.Tensor


def ranges(width: int, holders: Sequence[Holder]) -> Ints:
    """Where the row of each owner begins, how much of it is the tree's, and up to where it names something.

    A session and the turn that borrows its row are one owner of one row.
    """
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for holder in holders:
        key = holder.tag, holder.row
        protected, stop = found.get(key, (holder.protected, 0))
        found[key] = min(protected, holder.protected), max(stop, holder.stop)
    plain = [(row * width, protected, stop) for (_, row), (protected, stop) in found.items()]
    return np.array(plain, dtype=np.int64).reshape(-1, 3)


def named(flat: torch.Tensor, ranges: torch.Tensor, total: int) -> Named:
    """Read these ranges of the rows, `total` entries."""
    first, protected, stop = ranges.unbind(1)
    which = torch.repeat_interleave(stop, output_size=total)
    place = torch.arange(total, device=flat.device) - (torch.cumsum(stop, 0) - stop)[which]
    return Named(flat[first[which] + place].long(), place, place >= protected[which])


def unsound(units: int, page: int, free: torch.Tensor, tree: torch.Tensor, rows: Named) -> torch.Tensor:
    """One flag over a pool of pages: `tree` are the first slots of its pages, of `free` the pages themselves.

    Slot 0 is none: the windowed half of a slot that has lost it.
    """
    begins = rows.place % page == 0
    count = torch.zeros(units + 1, dtype=torch.int32, device=free.device)
    one = torch.ones(1, dtype=torch.int32, device=free.device)
    count.scatter_add_(0, free, one.expand_as(free))
    count.scatter_add_(0, tree // page, (one + _TREE).expand_as(tree))
    pages = rows.slots // page
    count.scatter_add_(0, pages, (rows.own & begins).int())
    stray = ~rows.own & (rows.slots > 0) & (count[pages] < _TREE)
    off = ((count[1:] & (_TREE - 1)) != 1).any() | stray.any()
    if page > 1:
        off = off | _torn(page, rows)
    return off.reshape(1)


def _torn(page: int, rows: Named) -> torch.Tensor:
    """Whether some page is not named slot by slot, from its first one on."""
    inside = rows.place % page
    at = torch.arange(len(inside), device=inside.device) - inside
    first = rows.slots[at]
    torn = (rows.slots - inside != first) & ((rows.slots > 0) | (first > 0))
    return torn.any() | (first % page != 0).any()


def tags_differ(tags: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """One flag: whether the units tagged as free are others than those in the free list."""
    return ((tags[free] != 0).any() | ((tags[1:] == 0).sum() != len(free))).reshape(1)


def windowed(rows: Named, mapping: torch.Tensor) -> Named:
    """The same rows, each slot taken for the windowed one behind it."""
    return Named(mapping[rows.slots], rows.place, rows.own)


def starts(runs: Sequence[Ints], page: int) -> Ints:
    """The first slot of each page of the tree's nodes."""
    joined = np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)
    return joined[::page]
