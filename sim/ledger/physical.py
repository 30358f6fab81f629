"""Memory as it lies there: free lists, tree, rows, whoever they belong to; and what counting it comes to.

A page is sound if it stands once in the free list or is named by one owner: a node, a request, a session. A slot and
the turn that borrows its row are one owner; the part of a row that the tree owns is the tree's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.ledger.findings import PoolCount
from sim.ledger.owners import Tag

Ints = npt.NDArray[np.int64]
SAMPLE = 16


@dataclass(frozen=True, slots=True)
class Holder:
    """A request or slot that names a row up to `stop`; of its first `protected` positions the tree may be the owner."""

    tag: Tag
    row: int
    protected: int
    stop: int


@dataclass(frozen=True, slots=True)
class Tally:
    """For each page of a pool (0 is padding): how often it is free, in the tree, and named by owners of rows."""

    page: int
    free: Ints
    tree: Ints
    claims: Ints
    owner: Ints
    """The last owner of rows that names it; 0 for none."""
    row: Ints
    """The row in which that owner names it; −1 for none."""

    def named(self) -> Ints:
        """How often each page is accounted for; padding always once."""
        named = self.free + self.tree + self.claims
        named[0] = 1
        return named

    def count(self, pool: str) -> PoolCount:
        """What is lost and what is there more than once, in tokens."""
        named = self.named()
        lost = np.nonzero(named == 0)[0]
        shared = np.nonzero(named > 1)[0]
        extra = int((named[shared] - 1).sum())
        return PoolCount(pool, len(lost) * self.page, extra * self.page, sample(lost), sample(shared))


def tally(page: int, units: int, free: Ints, tree: Ints, holders: Sequence[Holder], named: Ints) -> Tally:
    """Count a pool of `units` pages of `page` tokens.

    `free` and `tree` are page numbers; `named` are those in the rows of the holders, one row behind the other.
    """
    in_tree = np.bincount(tree, minlength=units + 1)
    claims, owner = np.zeros(units + 1, dtype=np.int64), np.zeros(units + 1, dtype=np.int64)
    row = np.full(units + 1, -1, dtype=np.int64)
    if len(named):
        numbers: dict[Tag, int] = {}
        plain = np.array(
            [(numbers.setdefault(h.tag, len(numbers)), h.tag, h.row, h.protected, h.stop) for h in holders],
            dtype=np.int64,
        )
        lengths = plain[:, 4]
        which = np.repeat(np.arange(len(plain)), lengths)
        positions = np.arange(len(named)) - (np.cumsum(lengths) - lengths)[which]
        mine = (positions >= plain[which, 3]) | (in_tree[named] == 0)
        named, which = named[mine], which[mine]
        owner[named], row[named] = plain[which, 1], plain[which, 2]
        claims = _owners_of_each(named, plain[which, 0], units)
        claims[0] = owner[0] = 0
    return Tally(page, np.bincount(free, minlength=units + 1), in_tree, claims, owner, row)


def _owners_of_each(pages: Ints, owners: Ints, units: int) -> Ints:
    """How many different owners, by their numbers, name each page, however often they do."""
    pairs = owners * (units + 1) + pages
    pairs.sort()
    first = np.ones(len(pairs), dtype=bool)
    np.not_equal(pairs[1:], pairs[:-1], out=first[1:])
    return np.bincount(pairs[first] % (units + 1), minlength=units + 1)


def count_rows(first: int, count: int, free: Sequence[int], holders: Sequence[Holder]) -> PoolCount:
    """The rows, numbered from `first` on: each must be free, or named by one owner."""
    named = np.bincount(np.array(free, dtype=np.int64), minlength=count + first)
    for row, _ in {(holder.row, holder.tag) for holder in holders}:
        named[row] += 1
    named = named[first:]
    lost = np.nonzero(named == 0)[0] + first
    shared = np.nonzero(named > 1)[0] + first
    return PoolCount("rows", len(lost), int((named[named > 1] - 1).sum()), sample(lost), sample(shared))


def sample(units: Ints) -> tuple[int, ...]:
    """The first few, for a report."""
    return tuple(int(u) for u in units[:SAMPLE])
