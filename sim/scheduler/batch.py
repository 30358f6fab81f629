"""Batches: the requests of one forward pass, and the arrays that a decode step works on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.scheduler.request import NEVER, Req
from sim.scheduler.table import FINISHED, GONE, KEY, ROW, STOP, TAG, WRITER, ReqTable
from sim.world import Ints, TokenRun

Mode = Literal["extend", "mixed", "decode"]


@dataclass(slots=True)
class Cursor:
    """Where each request of a plain decode stands: every step moves all of them on by one.

    Nothing else moves c or a of a request while its batch stands, so the arrays need not be gathered anew.
    """

    committed: Ints
    allocated: Ints
    where: Ints
    tokens: TokenRun
    place: Ints
    header: Ints
    marks: Ints | None = None


@dataclass(slots=True)
class Looks:
    """Decode steps that each request has made, and in how many more steps the first of them is looked at again."""

    made: Ints
    left: int


@dataclass(slots=True)
class Lanes:
    """Per request of a batch: its column in the table and what does not change while the batch stands.

    `stops` is the position of each request's EOS, where any of them has one; `states` are their running states and
    `prompts` the lengths of their prompts, where there are states; `quiet` says how many decode steps none of them can
    reach the grid of kept positions.
    """

    index: Ints
    rows: Ints
    row_start: Ints
    tags: Ints
    keys: npt.NDArray[np.uint64]
    writers: Ints
    stops: Ints | None
    states: Ints | None = None
    prompts: Ints | None = None
    quiet: int = 0
    cursor: Cursor | None = None
    looks: Looks | None = None

    def join(self, other: Lanes) -> Lanes:
        """These lanes, then the others."""
        stops = None
        if self.stops is not None or other.stops is not None:
            stops = np.concatenate((self.stops_or_never(), other.stops_or_never()))
        return Lanes(
            index=np.concatenate((self.index, other.index)), rows=np.concatenate((self.rows, other.rows)),
            row_start=np.concatenate((self.row_start, other.row_start)),
            tags=np.concatenate((self.tags, other.tags)), keys=np.concatenate((self.keys, other.keys)),
            writers=np.concatenate((self.writers, other.writers)), stops=stops,
            states=_joined(self.states, other.states), prompts=_joined(self.prompts, other.prompts),
        )  # fmt: skip

    def stops_or_never(self) -> Ints:
        """The position of each request's EOS, far beyond any row where it has none."""
        return np.full(len(self.index), NEVER) if self.stops is None else self.stops

    def select(self, at: Ints) -> Lanes:
        """The lanes of some of the requests."""
        stops = None if self.stops is None else self.stops[at]
        return Lanes(
            index=self.index[at], rows=self.rows[at], row_start=self.row_start[at], tags=self.tags[at],
            keys=self.keys[at], writers=self.writers[at], stops=stops,
            states=None if self.states is None else self.states[at],
            prompts=None if self.prompts is None else self.prompts[at],
        )  # fmt: skip


def _joined(one: Ints | None, other: Ints | None) -> Ints | None:
    return None if one is None or other is None else np.concatenate((one, other))


def _running_state(req: Req) -> int:
    """Its slot; padding where it names none."""
    return 0 if req.state is None or req.state.slot is None else req.state.slot


class Batch:
    """Requests that run together. After a decode step the last batch and the running batch are one object."""

    __slots__ = ("_lanes", "chunked", "decoding", "full", "mode", "prefill_only", "reqs", "settled")

    def __init__(self, reqs: list[Req], *, full: bool = False, chunked: Req | None = None) -> None:
        self.reqs = reqs
        self.mode: Mode = "extend"
        self.full = full
        self.chunked = chunked
        self.decoding: list[Req] | None = None
        self.prefill_only = False
        self.settled = -1
        self._lanes: Lanes | None = None

    def keep(self, reqs: list[Req]) -> None:
        """Other requests from here on."""
        self.reqs = reqs
        self._lanes = None
        self.settled = -1

    @property
    def is_extend(self) -> bool:
        """Whether its last pass was a prefill, pure or mixed."""
        return self.mode != "decode"

    def lanes(self, table: ReqTable, width: int) -> Lanes:
        """Arrays over the requests; made anew when the batch has changed."""
        if self._lanes is None:
            index = np.array([r.index for r in self.reqs], dtype=np.int64)
            hot = table.hot
            rows, stops = hot[ROW][index], hot[STOP][index]
            self._lanes = Lanes(
                index=index, rows=rows, row_start=rows * width, tags=hot[TAG][index],
                keys=hot[KEY][index].view(np.uint64), writers=hot[WRITER][index],
                stops=stops if len(stops) and stops.min() < NEVER else None,
            )  # fmt: skip
            if self.reqs and self.reqs[0].state is not None:
                self._lanes.states = np.array([_running_state(r) for r in self.reqs], dtype=np.int64)
                self._lanes.prompts = np.array([r.prompt_len for r in self.reqs], dtype=np.int64)
        return self._lanes

    def drop(self, epoch: int, excluded: Collection[Req] = ()) -> None:
        """Keep the requests that are unfinished and not excluded.

        `epoch` counts the endings so far: a batch that was looked at since the last one needs no second look.
        """
        if self.settled == epoch and not excluded:
            return
        lanes = self._lanes
        if lanes is None or excluded:
            kept = [r for r in self.reqs if r.finish is None and r not in excluded]
            if len(kept) < len(self.reqs):
                self.keep(kept)
        elif self.reqs:
            at = np.nonzero(self.reqs[0].table.hot[GONE][lanes.index] & FINISHED == 0)[0]
            if len(at) < len(self.reqs):
                reqs = self.reqs
                self.keep([reqs[i] for i in at.tolist()])
                self._lanes = lanes.select(at)
        self.settled = epoch

    def merge(self, other: Batch) -> None:
        """Append the requests of a batch that has just prefilled."""
        mine, theirs = self._lanes, other._lanes
        self.keep(self.reqs + other.reqs)
        if mine is not None and theirs is not None:
            self._lanes = mine.join(theirs)
        self.prefill_only = self.prefill_only and other.prefill_only
