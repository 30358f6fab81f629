"""Choosing the next batch: prefill first, else decode.

stash the split prefill │ merge the last prefill into the running batch │ new prefill?  │ else decode, or retract
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.scheduler.admission import Added, PrefillAdder
from sim.scheduler.allocation import alloc_decode, alloc_extend
from sim.scheduler.batch import Batch
from sim.scheduler.request import Finish, Req
from sim.scheduler.table import A, C
from sim.scheduler.tracking import track_prefill

if TYPE_CHECKING:
    from sim.scheduler.core import Scheduler


def next_batch(scheduler: Scheduler) -> tuple[Batch | None, int]:
    """The batch to run now, and how many tokens it prefills."""
    _time_out(scheduler)
    excluded: list[Req] = []
    if scheduler.chunked is not None:
        excluded.append(scheduler.chunked)
        scheduler.cache.cache_unfinished(scheduler.chunked, chunked=True)
    last = scheduler.last
    if last is not None and last.is_extend:
        if last.chunked is not None:
            excluded.append(last.chunked)
        merge_prefilled(scheduler, last, excluded)
    running = scheduler.running
    if running.prefill_only:
        running.drop(scheduler.endings)
        if not running.reqs and scheduler.release.admission.emptied_is_not_full:
            running.full = False
    prefill = _new_prefill(scheduler)
    if prefill is not None:
        return prefill
    if running.reqs and not running.prefill_only:
        _update_running(scheduler)
        if scheduler.running.reqs:
            return scheduler.running, 0
    return None, 0


def merge_prefilled(scheduler: Scheduler, last: Batch, excluded: list[Req]) -> None:
    """What has been prefilled joins the running batch; who ended in it makes room."""
    before = len(last.reqs)
    last.drop(scheduler.endings, excluded)
    if len(last.reqs) < before:
        scheduler.running.full = False
    _join_running(scheduler, last)


def _join_running(scheduler: Scheduler, last: Batch) -> None:
    if last.reqs and scheduler.running.reqs:
        scheduler.running.merge(last)
    elif last.reqs:
        scheduler.running = last


def _time_out(scheduler: Scheduler) -> None:
    knobs, now = scheduler.knobs, scheduler.now
    if knobs.waiting_timeout is not None:
        deadline = now - knobs.waiting_timeout
        for req in [r for r in scheduler.waiting if r.arrived < deadline]:
            scheduler.waiting.remove(req)
            scheduler.gone(req)
            scheduler.forgotten(req)
    if knobs.running_timeout is not None:
        deadline = now - knobs.running_timeout
        for req in scheduler.running.reqs:
            if not req.finished and req.started is not None and req.started < deadline:
                req.finish_later(Finish("abort", "Request running timeout reached."))


# -- prefill ----------------------------------------------------------------------------------------------


def _new_prefill(scheduler: Scheduler) -> tuple[Batch, int] | None:
    knobs, running = scheduler.knobs, scheduler.running
    if knobs.preempts:
        running.full = False
    if (running.full or not scheduler.waiting) and scheduler.chunked is None:
        return None
    at_limit = knobs.max_running - len(running.reqs) <= 0 and not knobs.preempts
    if at_limit and (scheduler.chunked is None) == scheduler.release.admission.limit_spares_chunk:
        running.full = True
        return None
    scheduler.order.sort(scheduler.waiting, scheduler.order_context)
    testing = knobs.test_retract
    if testing is not None and len(running.reqs) > testing.no_prefill_batch:
        return None
    mixed = len(running.reqs) if _mixes(scheduler) else 0
    adder = PrefillAdder(
        scheduler.memory, scheduler.table, scheduler.cache, knobs, running, scheduler.ratio, mixed
    )
    if scheduler.chunked is not None:
        chunked = scheduler.chunked
        chunked.fill_len = chunked.seqlen
        chunked.extend_len = chunked.fill_len - len(chunked.prefix)
        scheduler.chunked = adder.add_chunked(chunked)
        scheduler.short = adder.short
    _admit(scheduler, adder)
    if not adder.can_run:
        return None
    return _make_prefill(scheduler, adder)


def _mixes(scheduler: Scheduler) -> bool:
    return scheduler.knobs.mixed_chunk and scheduler.knobs.chunked_prefill is not None


def _will_mix(scheduler: Scheduler) -> bool:
    """Whether the running batch is about to decode within this prefill."""
    return _mixes(scheduler) and any(req.finish is None for req in scheduler.running.reqs)


def _admit(scheduler: Scheduler, adder: PrefillAdder) -> None:
    """Try the waiting requests in order until one does not fit."""
    knobs, running = scheduler.knobs, scheduler.running
    for req in scheduler.waiting:
        if len(adder.can_run) >= knobs.max_running - len(running.reqs):
            running.full = True
        if running.full and not (knobs.preempts and _preempt(scheduler, adder, req)):
            break
        match(scheduler, req)
        scheduler.short = None
        result = _refused(scheduler, req) or adder.add(req)
        if result is not Added.CONTINUE:
            if result is Added.NO_TOKEN:
                running.full, scheduler.short = True, adder.short
            if not adder.can_run or adder.can_run[-1] is not req:
                scheduler.release.revert.refused(scheduler.memory, req)
            break


def match(scheduler: Scheduler, req: Req) -> None:
    """An admission attempt begins: find what can be reused; one token must be left to compute."""
    req.fill_len = req.seqlen
    scheduler.cache.match(req, max(req.fill_len - 1, 0))
    req.extend_len = req.fill_len - len(req.prefix)


def _refused(scheduler: Scheduler, req: Req) -> Added | None:
    """An injected refusal, as if there were no memory."""
    left = scheduler.refusals.get(req.rid, 0)
    if not left:
        return None
    scheduler.refusals[req.rid] = left - 1
    scheduler.happened.refused.append(req.rid)
    return Added.NO_TOKEN


def _preempt(scheduler: Scheduler, adder: PrefillAdder, req: Req) -> bool:
    """Send running requests of lower priority back to the queue."""
    victims = adder.victims_for(req)
    running = scheduler.running
    released = 0
    for victim in list(running.reqs):
        if victim in victims:
            adder.forgive(victim)
            released += 1
            scheduler.retractor.release(victim, len(running.reqs) - released)
            scheduler.happened.retracted.append(victim.rid)
    if released:
        scheduler.endings += 1
        running.keep([r for r in running.reqs if r not in victims])
        adder.preempted.extend(victims)
    return released > 0


def _make_prefill(scheduler: Scheduler, adder: PrefillAdder) -> tuple[Batch, int]:
    chosen = adder.can_run
    taken = {id(req) for req in chosen}
    scheduler.waiting = [r for r in scheduler.waiting if id(r) not in taken]
    for req in adder.preempted:
        scheduler.enqueue(req)
    if adder.new_chunked is not None:
        scheduler.chunked = adder.new_chunked
    if scheduler.chunked is not None:
        scheduler.chunked.chunks_pending += 1
    batch = Batch(chosen, chunked=scheduler.chunked)
    batch.prefill_only = scheduler.knobs.speculative is None and all(r.max_new == 0 for r in chosen)
    if scheduler.window is not None:
        scheduler.window.before_prefill(chosen)
    parts = alloc_extend(scheduler.memory, chosen, scheduler.running.reqs)
    tokens = 0
    for req, slots in zip(chosen, parts, strict=True):
        req.committed = req.allocated = req.fill_len
        req.extend_steps += 1
        req.is_retracted = False
        if req.started is None:
            req.started = scheduler.now
        req.counted = not req.freed
        scheduler.forward.prefill(req, slots)
        tokens += len(slots)
    if scheduler.memory.states is not None:
        track_prefill(scheduler.memory.states, chosen, mixed=_will_mix(scheduler))
    if _mixes(scheduler) and scheduler.running.reqs:
        _mix(scheduler, batch)
    return batch, tokens


def _mix(scheduler: Scheduler, batch: Batch) -> None:
    """The running batch decodes one step within this prefill."""
    running = scheduler.running
    running.drop(scheduler.endings)
    if running.reqs:
        prepare_decode(scheduler, running)
        for req in running.reqs:
            req.fill_len = req.seqlen
            req.extend_len = 1
        batch.mode = "mixed"
        batch.decoding = running.reqs
        batch.merge(running)
    scheduler.running = Batch([], full=running.full)


# -- decode -----------------------------------------------------------------------------------------------


def _update_running(scheduler: Scheduler) -> None:
    batch, knobs = scheduler.running, scheduler.knobs
    before = len(batch.reqs)
    batch.drop(scheduler.endings)
    if not batch.reqs:
        batch.full = False
        return
    testing = knobs.test_retract
    forced = _taken(scheduler, batch)
    if forced:
        _retract_named(scheduler, batch, forced)
        if batch.reqs and not fits(scheduler, batch.reqs):
            _retract_for_memory(scheduler, batch)
    elif not fits(scheduler, batch.reqs) or (testing and scheduler.forward_count % testing.interval == 0):
        _retract_for_memory(scheduler, batch)
    else:
        scheduler.ratio = scheduler.release.ratio.decayed(scheduler.ratio, knobs.conservativeness)
    if len(batch.reqs) < before:
        batch.full = False
    if batch.reqs:
        batch.mode = "decode"
        prepare_decode(scheduler, batch)


def prepare_decode(scheduler: Scheduler, batch: Batch) -> None:
    """Allocate what the next step needs, and let the device write it."""
    if scheduler.speculation is not None:
        if scheduler.knobs.overlap:
            scheduler.speculation.reserve(batch)
        return
    lanes = batch.lanes(scheduler.table, scheduler.memory.rows.width)
    window = scheduler.window
    late = None if window is None else window.before(lanes)
    slots = alloc_decode(scheduler.memory, scheduler.table, lanes)
    if window is not None and late is not None:
        window.after(late)
    scheduler.forward.decode(lanes, slots)


def fits(scheduler: Scheduler, reqs: list[Req]) -> bool:
    """Whether the next decode step of these requests fits, after eviction."""
    need = _need(scheduler, reqs)
    scheduler.memory.evict_to(need)
    return bool(scheduler.memory.allocator.available() >= need)


def _need(scheduler: Scheduler, reqs: list[Req]) -> int:
    page, speculation = scheduler.memory.page_size, scheduler.speculation
    if speculation is None and page == 1:
        return len(reqs)
    if reqs is scheduler.running.reqs:
        index = scheduler.running.lanes(scheduler.table, scheduler.memory.rows.width).index
    else:
        index = np.array([r.index for r in reqs], dtype=np.int64)
    hot = scheduler.table.hot
    committed = hot[C][index]
    if speculation is None:
        return int(np.count_nonzero(committed % page == 0)) * page
    need = speculation.v1_need(len(reqs))
    if not scheduler.knobs.overlap:
        return need
    return scheduler.release.admission.spec_v2_need(
        committed, hot[A][index], speculation.config.alloc_len, page, need
    )


def _retract_for_memory(scheduler: Scheduler, batch: Batch) -> None:
    all_reqs = batch.reqs
    result = scheduler.retractor.for_memory(
        batch, lambda chosen: fits(scheduler, [all_reqs[i] for i in chosen])
    )
    scheduler.ratio = scheduler.retractor.new_ratio(batch)
    for req in result.aborted:
        scheduler.gone(req)
    _requeue(scheduler, result.reqs)
    if result.aborted:
        scheduler.endings += 1


def _taken(scheduler: Scheduler, batch: Batch) -> list[str]:
    """The victims that were named for this memory test, of those that run."""
    named, scheduler.forced = scheduler.forced or [], None
    return [r.rid for r in batch.reqs if r.rid in named]


def _retract_named(scheduler: Scheduler, batch: Batch, rids: list[str]) -> None:
    victims = scheduler.retractor.named(batch, rids)
    scheduler.ratio = scheduler.retractor.new_ratio(batch)
    _requeue(scheduler, victims)


def _requeue(scheduler: Scheduler, reqs: list[Req]) -> None:
    for req in reqs:
        scheduler.happened.retracted.append(req.rid)
        scheduler.enqueue(req)
    if reqs:
        scheduler.endings += 1


def retract_now(scheduler: Scheduler, rids: list[str] | None) -> None:
    """As `pause_generation(mode="retract")` and going on: drain, merge, retract all (or the named ones)."""
    last = scheduler.last
    if last is not None and last.is_extend:
        keep_out = [scheduler.chunked] if rids is not None and scheduler.chunked is not None else []
        last.drop(scheduler.endings, keep_out)
        _join_running(scheduler, last)
    scheduler.last = scheduler.current = None
    running = scheduler.running
    if not running.reqs:
        return
    running.drop(scheduler.endings)
    if rids is None:
        _requeue(scheduler, scheduler.retractor.all_of(running))
        running.full = False
        scheduler.chunked = None
    else:
        _requeue(scheduler, scheduler.retractor.named(running, rids))
        running.full = False
