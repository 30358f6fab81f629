"""The state pool: one slot holds what the recurrent layers remember of one text, all of it, at one position.

    conv       the last inputs of the convolutions
    temporal   the recurrent state proper; its first word is the canary

Slot 0 is padding. Taken from the front and zeroed, given back to the end; `free` trusts its caller. A state cannot be
cut or joined: it is copied whole, or zero.

A row remembers which slots its request was given: what a request gives back of its snapshots is what its row says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sim.config import MambaConfig
from sim.ledger.owners import FREE, Tag, TagPool
from sim.memory.backend import Backend
from sim.memory.freelist import FreeList
from sim.memory.marks import StateMarks
from sim.memory.presets import HEADER_BYTES, Preset


@dataclass(slots=True)
class StateNames:
    """The state slots that a request or a session names.

    slot        the running state
    snapshots   one or two slots in which the state of an earlier position is kept for the prefix tree
    next        which snapshot is written next
    tracked     the position of the last snapshot
    branching   up to where a cached prefix goes on without a state to continue from, as a position worth keeping
    """

    slot: int | None = None
    snapshots: tuple[int, ...] = ()
    next: int | None = None
    tracked: int | None = None
    branching: int | None = None

    @property
    def all(self) -> tuple[int, ...]:
        """The running slot, then the snapshots."""
        return self.snapshots if self.slot is None else (self.slot, *self.snapshots)

    def copy(self) -> StateNames:
        """The same names once more."""
        return StateNames(self.slot, self.snapshots, self.next, self.tracked, self.branching)


class StatePool:
    """State slots, and which of them each row was given."""

    def __init__(
        self,
        backend: Backend,
        config: MambaConfig,
        preset: Preset,
        owners: TagPool,
        *,
        page_size: int,
        overlap: bool,
    ) -> None:
        self.size = config.slots
        self.config = config
        self.owners = owners
        self.buffered = config.strategy == "extra_buffer"
        self.buffers = (2 if overlap else 1) if self.buffered else 0
        self.chunk = max(config.chunk, page_size)
        self.free_list = FreeList(backend, 1, config.slots)
        self.of_row: dict[int, tuple[int | None, tuple[int, ...]]] = {}
        self._backend = backend
        self.conv: torch.Tensor
        self.temporal: torch.Tensor
        words = preset.state.conv_bytes // HEADER_BYTES
        self.conv, self._conv = backend.zeros((config.slots + 1, words))
        words = max(1, preset.state.temporal_bytes // HEADER_BYTES)
        self.temporal, self._temporal = backend.zeros((config.slots + 1, words))
        self.marks = StateMarks(backend, self._temporal[:, 0])

    @property
    def nbytes(self) -> int:
        """Bytes of the state tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (self.conv, self.temporal))

    def available(self) -> int:
        """Free slots, duplicates counted as often as they stand in the list."""
        return self.free_list.count

    # -- taking and giving back ---------------------------------------------------------------------------

    def alloc(self, count: int, owner: Tag) -> tuple[int, ...] | None:
        """The first `count` free slots, zeroed, or None."""
        if count > self.free_list.count:
            return None
        at = self.free_list.take(count)
        self.owners.move(at, FREE, owner, "alloc")
        if self.conv.shape[1]:
            self._conv[at] = 0
        if self.temporal.shape[1] > 1:
            self._temporal[at] = 0
        self.marks.clear(at)
        return tuple(at.tolist())

    def free(self, slots: Sequence[int], owner: Tag) -> None:
        """Give back slots that `owner` says are its own."""
        if not slots:
            return
        at = self._backend.put(slots)
        self.owners.move(at, owner, FREE, "free")
        self.free_list.put_back(at)

    def give(self, slot: int, owner: Tag, heir: Tag) -> None:
        """A state changes hands where it lies."""
        self.owners.move(self._backend.put([slot]), owner, heir, "insert")
        self.marks.adopt(slot, heir)

    def copy(self, source: int, target: int, owner: Tag) -> None:
        """Overwrite one state with another."""
        self._conv[target] = self._conv[source]
        self._temporal[target] = self._temporal[source]
        self.marks.copied(source, target, owner)

    def fork(self, source: int, owner: Tag) -> int | None:
        """A new slot with a copy of a state, or None."""
        taken = self.alloc(1, owner)
        if taken is None:
            return None
        self.copy(source, taken[0], owner)
        return taken[0]

    def lose(self, slots: Sequence[int], owner: Tag, what: str) -> None:
        """The last name of these slots goes away; what `owner` still owns of them is lost."""
        if slots:
            self.owners.orphan(self._backend.put(slots), owner, what)

    def branching(self, raw: int, usable: int) -> int | None:
        """The last position on the grid up to which a prefix is cached without a state, if that is further."""
        position = raw // self.chunk * self.chunk
        return position if raw > usable and position > 0 else None

    # -- snapshots ----------------------------------------------------------------------------------------

    def other(self, number: int) -> int:
        """The snapshot that is not `number`; with a single one, that one."""
        return 1 - number if self.buffers == 2 else number

    def snapshot(self, names: StateNames, position: int, owner: Tag) -> None:
        """The forward pass has kept the state of `position`; the other snapshot is written next."""
        self.write_next(names, position, owner)
        self.flip(names, position)

    def write_next(self, names: StateNames, position: int, owner: Tag) -> None:
        """The forward pass has kept the state of `position`, which nobody has noted yet."""
        assert names.next is not None
        self.marks.stamp([names.snapshots[names.next]], owner, position)

    def flip(self, names: StateNames, position: int) -> None:
        """Believe that the next snapshot stands for `position`, and write the other one from here on."""
        assert names.next is not None
        names.next = self.other(names.next)
        names.tracked = position
