"""The two token allocators, with SGLang's exact order.

Slot 0 (page 0) is padding and is never handed out. `free` trusts its caller: a slot freed twice stands twice in
the free list. Who owned what is the ledger's business; the allocator only tells it what moves.

    page size 1   take from the front, free to the end
    page size > 1 take whole pages from the front, free whole pages, sorted, to the front
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.ledger.owners import FREE, OwnerTags, Tag, TagPool
from sim.memory.backend import Array, Backend
from sim.memory.freelist import FreeList

Ints = npt.NDArray[np.int64]


class _Grouping:
    """Free groups: frees between begin and end become one free."""

    _open: bool = False
    _held: list[Array]

    def group_begin(self) -> None:
        """Collect frees from here on."""
        self._open = True
        self._held = []

    def _close_group(self) -> list[Array]:
        self._open = False
        held, self._held = self._held, []
        return held


class TokenAllocator(_Grouping):
    """Page size 1."""

    page_size = 1

    def __init__(self, backend: Backend, size: int, owners: TagPool) -> None:
        self._backend = backend
        self._held = []
        self.size = size
        self.owners = owners
        self.free_list = FreeList(backend, 1, size)

    def available(self) -> int:
        """Free tokens."""
        return self.free_list.count

    def alloc(self, count: int, owners: OwnerTags | None) -> Array | None:
        """The first `count` free slots, or None."""
        if count > self.free_list.count:
            return None
        slots = self.free_list.take(count)
        if owners is not None:
            self.owners.move(slots, FREE, owners, "alloc")
        return slots

    def alloc_extend(self, prefix: Ints, seq: Ints, last: Array, owners: OwnerTags | None) -> Array | None:
        """Slots for positions [prefix, seq) of each request."""
        lengths = seq - prefix
        if len(lengths) > 1 and isinstance(owners, np.ndarray):
            owners = np.repeat(owners, lengths)
        elif isinstance(owners, np.ndarray):
            owners = int(owners[0])
        return self.alloc(int(lengths.sum()), owners)

    def alloc_decode(self, seq: Ints, last: Array, owners: OwnerTags) -> Array | None:
        """One slot for each request."""
        return self.alloc(len(seq), owners)

    def free(self, slots: Array, owner: Tag) -> None:
        """To the end of the list."""
        if not len(slots):
            return
        self.owners.move(slots, owner, FREE, "free", group=self._open)
        if self._open:
            self._held.append(slots)
        else:
            self.free_list.put_back(slots)

    def group_end(self) -> None:
        """Carry out the collected frees at once."""
        held = self._close_group()
        if held:
            self.free_list.put_back(self._backend.cat(held))
        self.owners.group_closed()


class PagedAllocator(_Grouping):
    """Any page size above 1; a slot is page × page_size + offset."""

    def __init__(self, backend: Backend, size: int, page_size: int, owners: TagPool) -> None:
        self._backend = backend
        self._held = []
        self.size = size
        self.page_size = page_size
        self.owners = owners
        self.free_list = FreeList(backend, 1, size // page_size)

    def available(self) -> int:
        """Free tokens, in whole pages."""
        return self.free_list.count * self.page_size

    def free(self, slots: Array, owner: Tag) -> None:
        """The whole page of every slot given, to the front of the list."""
        if not len(slots):
            return
        pages = self._backend.unique(slots // self.page_size)
        self.owners.move(pages, owner, FREE, "free", group=self._open)
        if self._open:
            self._held.append(pages)
        else:
            self.free_list.put_front(pages)

    def group_end(self) -> None:
        """Carry out the collected frees at once: a page freed twice within the group is freed once."""
        held = self._close_group()
        if held:
            self.free_list.put_front(self._backend.unique(self._backend.cat(held)))
        self.owners.group_closed()

    def alloc_extend(self, prefix: Ints, seq: Ints, last: Array, owners: OwnerTags | None) -> Array | None:
        """Fill each request's partial page after `last`, then whole new pages from the front.

        `last` is trusted: whatever page it points into is continued.
        """
        size = self.page_size
        begun = (prefix + (size - 1)) // size
        fresh = (seq + (size - 1)) // size - begun
        needed = int(fresh.sum())
        if needed > self.free_list.count:
            return None
        pages = self.free_list.take(needed)
        if needed and owners is not None:
            tags = np.repeat(owners, fresh) if isinstance(owners, np.ndarray) else owners
            self.owners.move(pages, FREE, tags, "alloc")
        backend = self._backend
        lengths = seq - prefix
        starts = np.cumsum(lengths) - lengths
        position = np.arange(int(lengths.sum()), dtype=np.int64) + np.repeat(prefix - starts, lengths)
        ordinal = position // size - np.repeat(begun, lengths)
        first_page = np.repeat(np.cumsum(fresh) - fresh, lengths)
        continued = ordinal < 0
        slots = backend.put(position % size)
        if needed:
            slots = slots + pages[backend.put(np.where(continued, 0, first_page + ordinal))] * size
        if continued.any():
            where = np.nonzero(continued)[0]
            owner_of = np.repeat(np.arange(len(seq)), lengths)[where]
            step = backend.put(position[where] - prefix[owner_of] + 1)
            slots[backend.put(where)] = backend.put(last)[backend.put(owner_of)] + step
        return slots

    def alloc_decode(self, seq: Ints, last: Array, owners: OwnerTags) -> Array | None:
        """The slot after `last`, or a new page where position seq−1 begins one."""
        starts_page = (seq - 1) % self.page_size == 0
        needed = int(np.count_nonzero(starts_page))
        if needed > self.free_list.count:
            return None
        slots = last + 1
        if needed:
            pages = self.free_list.take(needed)
            tags = owners[starts_page] if isinstance(owners, np.ndarray) else owners
            self.owners.move(pages, FREE, tags, "alloc")
            slots[self._backend.put(np.nonzero(starts_page)[0])] = pages * self.page_size
        return slots


def make_allocator(
    backend: Backend, size: int, page_size: int, owners: TagPool
) -> TokenAllocator | PagedAllocator:
    """The allocator that SGLang would choose for this page size."""
    if page_size == 1:
        return TokenAllocator(backend, size, owners)
    return PagedAllocator(backend, size, page_size, owners)
