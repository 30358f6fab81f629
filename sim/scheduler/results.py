"""Processing the result of a launched batch: tokens are appended, ends are found, memory is released or shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.scheduler.batch import Batch, Lanes
from sim.scheduler.request import Req
from sim.scheduler.table import GONE, LIMIT, OUT
from sim.scheduler.tracking import steps_to_grid, track_decode, track_round
from sim.world import Ints

ONE = np.int64(1)

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


@dataclass(slots=True)
class Launched:
    """A batch in flight: its requests as they were, and what the device produced."""

    reqs: list[Req]
    lanes: Lanes
    decode: bool
    decoding: list[Req]
    accepted: Ints | None
    endings: int


def launched(scheduler: Scheduler, batch: Batch, accepted: Ints | None) -> Launched:
    """What must be remembered of a batch until its result is processed."""
    return Launched(
        reqs=batch.reqs, lanes=batch.lanes(scheduler.table, scheduler.memory.rows.width), decode=batch.mode == "decode",
        decoding=batch.decoding or [], accepted=accepted, endings=scheduler.endings,
    )  # fmt: skip


def process(scheduler: Scheduler, result: Launched) -> None:
    """Process one result."""
    if result.decode:
        _process_decode(scheduler, result)
    else:
        _process_prefill(scheduler, result)


def _process_prefill(scheduler: Scheduler, result: Launched) -> None:
    decoding = {id(req) for req in result.decoding}
    for req in result.reqs:
        if req.finish is not None or req.is_retracted:
            continue
        if req.chunks_pending > 0:
            req.chunks_pending -= 1
            continue
        req.out += 1
        if req.check_finished():
            scheduler.ended(req)
        elif id(req) not in decoding:
            scheduler.cache.cache_unfinished(req, chunked=False)


def _process_decode(scheduler: Scheduler, result: Launched) -> None:
    allocator = scheduler.memory.allocator
    allocator.group_begin()
    if scheduler.knobs.spec_v1:
        _track(scheduler, result.lanes, result.reqs, result.lanes.index, result.accepted, result.lanes.prompts)
        for req in result.reqs:
            if req.finish is not None:
                scheduler.ended(req)
    else:
        _append(scheduler, result)
    allocator.group_end()


def _append(scheduler: Scheduler, result: Launched) -> None:
    """Append the new tokens of all requests at once; look closer only at those that reach their limit."""
    reqs, index, counts = result.reqs, result.lanes.index, result.accepted
    prompts = result.lanes.prompts
    if counts is not None:
        assert scheduler.speculation is not None
        scheduler.speculation.resolve(index, counts)
    if scheduler.endings != result.endings:
        alive = np.nonzero(scheduler.table.hot[GONE][index] == 0)[0]
        if len(alive) < len(reqs):
            reqs = [reqs[i] for i in alive.tolist()]
            index = index[alive]
            counts = None if counts is None else counts[alive]
            prompts = None if prompts is None else prompts[alive]
    hot = scheduler.table.hot
    out = hot[OUT][index]
    out += ONE if counts is None else counts
    hot[OUT][index] = out
    if prompts is not None:
        _track(scheduler, result.lanes, reqs, index, counts, prompts)
    reached = out >= hot[LIMIT][index]
    if not np.count_nonzero(reached):
        return
    for i in np.nonzero(reached)[0].tolist():
        req = reqs[i]
        if req.check_finished(1 if counts is None else int(counts[i])):
            scheduler.ended(req)


def _track(
    scheduler: Scheduler, lanes: Lanes, reqs: list[Req], index: Ints, accepted: Ints | None, prompts: Ints | None
) -> None:
    """Keep snapshots of recurrent states, where a model has them; the tokens have been appended."""
    states = scheduler.memory.states
    if states is None or prompts is None or not states.buffered:
        return
    if accepted is None and lanes.quiet > 0:
        lanes.quiet -= 1
        return
    lengths = prompts + scheduler.table.hot[OUT][index] - 1
    if accepted is None:
        track_decode(states, reqs, lengths)
        lanes.quiet = steps_to_grid(states, lengths)
    else:
        track_round(states, reqs, lengths, accepted, bonus=int(scheduler.release.base != "0.5.10"))
