"""Single fixes taken out of a release in memory; what each revert means is what the model's decisions mean by it.

22753  every slot that holds counts as held, and so does a finished turn without a row that is not marked as freed
22790  history at creation, several live turns, no wiping of an aborted turn, no marks
22273  a refused turn is lent the slot; with 22790 out as well an aborted turn ends like any other
22862  one token less is resumed, and the tail stays; what is reserved beyond c goes at release while 21875 is in
22897  overshoot is not trimmed
22651  the bonus slot of a round is claimed when the round is resolved
21875  a session closes under its running turn
22900  the cursor of what left the window may stand beyond a turn that was trimmed
21404  a state copied for a request that is not admitted stays with it
23327  that state is given back also where it is its session's
23496  a session that closes keeps its states
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sim.engines.sglang.rewriting import Misfit, method, rewrite

Patch = Callable[[Any, frozenset[int]], None]


def revert(numbers: frozenset[int], modules: Any) -> list[str]:
    """Take these fixes out; what of it does not fit the release is named."""
    misfits: list[str] = []
    for number in sorted(numbers):
        try:
            REVERTS[number](modules, numbers)
        except Misfit as misfit:
            misfits.append(f"fix {number} cannot be taken out: {misfit}")
    return misfits


def _nothing(*_: Any, **__: Any) -> None:
    """In the place of a method that a fix added."""


def _double_count(modules: Any, _: frozenset[int]) -> None:
    """22753."""
    for what in ("tokens", "swa_tokens", "full_tokens", "req_count", "mamba_slots"):
        name = f"session_held_{what}"
        setattr(modules.streaming, name, _for_all_slots(method(modules.streaming, name)))
    rewrite(modules.scheduler.Scheduler, "_get_total_uncached_sizes", {" or req.req_pool_idx is None": ""})


def _for_all_slots(original: Any) -> Any:
    return lambda cache, active_pool_idxs=None: original(cache, None)


def _aborts(modules: Any, numbers: frozenset[int]) -> None:
    """22790: its five items at once."""
    session, cache = modules.session_controller.Session, modules.streaming
    node = modules.session_controller.SessionReqNode
    create = method(session, "create_req")
    for name in ("finish_req", "abort_req"):
        method(session, name)
        setattr(session, name, _nothing)

    def at_create(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = [known.req for known in self.req_nodes.values()] if self.streaming else []
        made = create(self, *args, **kwargs)
        if self.streaming:
            self._inflight = False
            if made.to_finish is None:
                for req in before:
                    req.session = None
                self.req_nodes.clear()
                self.req_nodes[made.rid] = node(made)
        return made

    session.create_req = at_create
    rewrite(cache, "try_cache_finished_req", {"isinstance(req.finished_reason, FINISH_ABORT)": "False"})
    if 22273 not in numbers:
        _skip_refused(cache)
        _free_transient(modules)
    method(cache, "_mark_kv_freed")
    cache._mark_kv_freed = staticmethod(_nothing)


def _skip_refused(cache: Any) -> None:
    """22273 alone: a refused turn is not lent the slot, but stays with the session."""
    find = method(cache, "find_active_slot")
    cache.find_active_slot = lambda self, req: (
        None if req is not None and req.to_finish is not None else find(self, req)
    )


def _free_transient(modules: Any) -> None:
    """22273 alone: an aborted turn of a session with a slot gives back what the request itself names."""
    cache, aborted = modules.streaming, modules.schedule_batch.FINISH_ABORT
    virtual = vars(sys.modules[cache.__module__]).get("_VirtualNode")
    if virtual is None:
        raise Misfit(f"{cache.__module__} has no _VirtualNode")
    finish, mark = method(cache, "try_cache_finished_req"), method(cache, "_mark_kv_freed")

    def finished(self: Any, req: Any, *args: Any, **kwargs: Any) -> bool:
        session = req.session
        turn = session is not None and session.streaming and isinstance(req.finished_reason, aborted)
        if not turn or session.session_id not in self.slots or req.req_pool_idx is None:
            handled: bool = finish(self, req, *args, **kwargs)
            return handled
        row, start, end = req.req_pool_idx, req.cache_protected_len, req.kv_allocated_len
        if start < end:
            self.token_to_kv_pool_allocator.free(self.req_to_token_pool.req_to_token[row, start:end])
        if not isinstance(req.last_node, virtual):
            self.dec_lock_ref(req.last_node)
        self.req_to_token_pool.free_slots.append(row)
        req.req_pool_idx = None
        mark(req)
        return True

    cache.try_cache_finished_req = finished


def _lend_to_refused(modules: Any, _: frozenset[int]) -> None:
    """22273."""
    rewrite(modules.streaming, "find_active_slot", {"req.to_finish is not None": "False"})


def _keep_tail(modules: Any, numbers: frozenset[int]) -> None:
    """22862."""
    cache = modules.streaming
    rewrite(
        cache,
        "try_match_prefix",
        {
            "len(params.key.token_ids))": "max(len(params.key.token_ids) - 1, 0))",
            "assert prefix_len >= slot.cache_protected_len": "assert True",
        },
    )
    method(cache, "_free_tail")
    cache._free_tail = _nothing
    if 21875 in numbers:
        return
    finish, free = method(cache, "try_cache_finished_req"), method(cache, "_free_kv_aligned")

    def finished(self: Any, req: Any, *args: Any, **kwargs: Any) -> bool:
        name = req.session.session_id if req.session is not None else None
        handled: bool = finish(self, req, *args, **kwargs)
        slot = self.slots.get(name) if handled else None
        if slot is not None and slot.req_pool_idx is not None:
            free(self, slot.req_pool_idx, slot.kv_committed_len, slot.kv_allocated_len)
            slot.kv_allocated_len = min(slot.kv_allocated_len, slot.kv_committed_len)
        return handled

    cache.try_cache_finished_req = finished


def _keep_overshoot(modules: Any, _: frozenset[int]) -> None:
    """22897."""
    method(modules.streaming, "_trim_overshoot")
    modules.streaming._trim_overshoot = _nothing


def _claim_late(modules: Any, _: frozenset[int]) -> None:
    """22651."""
    rewrite(modules.eagle_info_v2.EagleDraftInputV2Mixin, "prepare_for_decode", {"r.kv_committed_len += 1": "pass"})
    rewrite(
        modules.scheduler.Scheduler,
        "_resolve_spec_overlap_token_ids",
        {"req.kv_committed_len += accept_lens[i] - 1": "req.kv_committed_len += accept_lens[i]"},
    )


def _close_at_once(modules: Any, _: frozenset[int]) -> None:
    """21875."""
    rewrite(
        modules.session_controller.SessionController,
        "_close",
        {"has_unfinished_request = True": "has_unfinished_request = False"},
    )


def _keep_cursor(modules: Any, numbers: frozenset[int]) -> None:
    """22900; without 22897 nothing is trimmed."""
    line = "req.swa_evicted_seqlen = min(req.swa_evicted_seqlen, target)"
    if 22897 not in numbers:
        rewrite(modules.streaming, "_trim_overshoot", {line: "pass"})


_PREFILL = "_get_new_batch_prefill_raw"
_ADDED = "added = len(adder.can_run_list) > 0 and req is adder.can_run_list[-1]"


def _keep_copied(modules: Any, _: frozenset[int]) -> None:
    """21404."""
    rewrite(modules.scheduler.Scheduler, _PREFILL, {_ADDED: "added = True"})


def _free_borrowed(modules: Any, numbers: frozenset[int]) -> None:
    """23327; without 21404 nothing is given back there."""
    if 21404 not in numbers:
        rewrite(modules.scheduler.Scheduler, _PREFILL, {'and not getattr(req, "session", None)': "and True"})


def _keep_states(modules: Any, _: frozenset[int]) -> None:
    """23496."""
    method(modules.streaming, "_free_slot_mamba")
    modules.streaming._free_slot_mamba = _nothing


# In the order in which they are applied; 22790 before 22862, which wraps what is left of the end of a turn.
REVERTS: dict[int, Patch] = {
    21404: _keep_copied,
    21875: _close_at_once,
    22273: _lend_to_refused,
    22651: _claim_late,
    22753: _double_count,
    22790: _aborts,
    22862: _keep_tail,
    22897: _keep_overshoot,
    22900: _keep_cursor,
    23327: _free_borrowed,
    23496: _keep_states,
}
