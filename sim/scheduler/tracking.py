"""Which states requests are given, and which positions of their texts are kept as snapshots.

prefill   the last whole chunk of what is computed, or where a cached prefix goes on without a state
decode    every `track_interval` positions; a speculative round that crosses one
The two snapshots take turns, since the step after next is prepared before the last one's result is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.engines.protocol import EngineCrash
from sim.memory.states import StateNames, StatePool
from sim.scheduler.request import Req
from sim.scheduler.streaming import require
from sim.world import Ints

if TYPE_CHECKING:
    from sim.scheduler.memory import Memory

_PER_REQUEST = 3
"""States that a prefill makes room for per request where a tree holds some: a running one and two snapshots."""


def make_room(memory: Memory, states: StatePool, count: int) -> None:
    """Evict states for `count` requests that are about to get theirs."""
    missing = count * _PER_REQUEST - states.available()
    if missing > 0:
        memory.tree.evict_states(missing)


def take_states(states: StatePool, reqs: Sequence[Req], first_rows: int) -> None:
    """A running state, and snapshots, for every request that has none; its row remembers them.

    `first_rows` is how many rows the release's table of states has, if that can be too few.
    """
    for req in reqs:
        names = names_of(req)
        if names.slot is None:
            taken = states.alloc(1, req.tag)
            if taken is None:
                raise EngineCrash("AssertionError", _no_state(states, len(reqs)))
            names.slot = taken[0]
        if states.buffered and not names.snapshots:
            snapshots = states.alloc(states.buffers, req.tag)
            require(
                snapshots is not None,
                "Not enough space for mamba ping pong idx, try to increase --mamba-full-memory-ratio.",
            )
            names.snapshots, names.next = snapshots or (), 0
    for req in reqs:
        assert req.row is not None
        if first_rows and req.row >= first_rows:
            raise EngineCrash("IndexError", f"index {req.row} is out of bounds for dimension 0 with size {first_rows}")
        names = names_of(req)
        states.of_row[req.row] = (names.slot, names.snapshots)


def _no_state(states: StatePool, count: int) -> str:
    return (
        "Not enough space for mamba cache, try to increase --mamba-full-memory-ratio or --max-mamba-cache-size. "
        f"mid=None, self.mamba_pool.size={states.size}, self.mamba_pool.available_size()={states.available()}, "
        f"len(reqs)={count}"
    )


def names_of(req: Req) -> StateNames:
    """The states that a request of such a model names."""
    assert req.state is not None
    return req.state


def give_back(states: StatePool, req: Req, row: int, keep: int | None = None) -> None:
    """Free the running state of a request, and the snapshots of its row but for `keep`."""
    names = names_of(req)
    require(names.slot is not None, "double free? mamba_index is None")
    assert names.slot is not None
    states.free([names.slot], req.tag)
    names.slot = None
    if states.buffered:
        snapshots = states.of_row[row][1]
        if keep is not None:
            snapshots = snapshots[1 - keep : 2 - keep] if states.buffers == 2 else ()
        states.free(snapshots, req.tag)


# -- snapshots --------------------------------------------------------------------------------------------


def track_prefill(states: StatePool, reqs: Sequence[Req], *, mixed: bool) -> None:
    """A prefill is prepared: the last whole chunk of each long enough part is kept.

    In a mixed pass the device is not told which slots to write: positions are noted, nothing is kept.
    """
    if not states.buffered:
        return
    grid, chunk = states.config.chunk, states.chunk
    for req in reqs:
        if req.extend_len < chunk:
            continue
        names, prefix = names_of(req), len(req.prefix)
        length = prefix + req.extend_len
        position = prefix + req.extend_len // chunk * chunk
        if prefix + req.extend_len // grid * grid != position:
            length = _inside(position, grid)
        branching = names.branching
        if branching is not None and prefix < branching < length and (branching - prefix) % chunk == 0:
            _inside(branching, grid)
            position = branching
        if mixed:
            states.flip(names, position)
        else:
            states.snapshot(names, position, req.tag)


def _inside(position: int, grid: int) -> int:
    """A position before the end of what is computed can be kept on the kernel's grid only."""
    require(position % grid == 0, "", place="_force_track_h")
    return position + 1


def track_decode(states: StatePool, reqs: Sequence[Req], lengths: Ints) -> None:
    """A decode step brought these requests to these lengths: what stands on the grid has been kept."""
    for i in np.nonzero(lengths % states.config.track_interval == 0)[0].tolist():
        req = reqs[i]
        states.snapshot(names_of(req), int(lengths[i]), req.tag)


def steps_to_grid(states: StatePool, lengths: Ints) -> int:
    """How many further decode steps none of these requests stands on the grid after."""
    interval = states.config.track_interval
    return int((interval - lengths % interval).min()) - 1 if len(lengths) else 0


def keep_round(states: StatePool, reqs: Sequence[Req], start: Ints, stop: Ints) -> None:
    """A speculative round was launched: where it crosses the grid, the device writes the snapshot that is next by now.

    Under overlap the result of the round before is not known yet: with a single snapshot its state is overwritten.
    """
    if not states.buffered:
        return
    interval = states.config.track_interval
    for i in np.nonzero(start // interval != stop // interval)[0].tolist():
        req = reqs[i]
        states.write_next(names_of(req), int(stop[i]) // interval * interval, req.tag)


def track_round(states: StatePool, reqs: Sequence[Req], lengths: Ints, accepted: Ints, *, bonus: int) -> None:
    """The result of a round that brought these requests to these lengths: where it crossed the grid is noted.

    Without `bonus` (0.5.10) the round is taken for one token shorter than it was, and a crossing may go unnoticed.
    """
    interval = states.config.track_interval
    before = lengths - accepted + 1 - bonus
    for i in np.nonzero(lengths // interval != before // interval)[0].tolist():
        states.flip(names_of(reqs[i]), int(lengths[i]) // interval * interval)
