"""The kinds of operations and events that a run must have seen before "no difference" means anything."""

from __future__ import annotations

from typing import Any

from sim.engines.marks import REAP, STEP
from sim.operations import Retract, Submit

OPERATIONS = (
    "step", "reap", "open", "submit request", "submit turn", "abort", "close", "expire", "pause all", "pause some",
    "retract for memory", "refuse",
)  # fmt: skip

EVENTS: dict[str, str] = {
    "prefill": "an iteration that prefills",
    "decode": "an iteration that decodes",
    "mixed": "an iteration that does both",
    "idle": "an iteration that does nothing",
    "split prompt": "a prompt that is prefilled in chunks",
    "shared prefix": "an ordinary request that reuses cached text",
    "node split": "a node of the tree split by a match or an insert",
    "eviction": "leaves of the tree freed to make room",
    "borrow": "a turn that continues its session's row",
    "finish by length": "a request that reached its output limit",
    "finish by stop token": "a request that ended by itself before that",
    "overshoot": "a request that ended with KV beyond the end of its text",
    "refused admission": "an admission attempt that was refused by injection",
    "admission without room": "an admission attempt that found no memory",
    "forced retract, paused": "a request sent back to the queue by a pause",
    "forced retract, decoding": "a request sent back in place of a decode step's test",
    "test retract": "a request sent back by SGLANG_TEST_RETRACT",
    "real retract": "a request sent back for want of memory",
    "preemption": "a request that gave way to one of higher priority",
    "abort in queue": "a waiting request aborted",
    "abort running": "a running request aborted",
    "abort before start": "a request refused on arrival",
    "abort for want of memory": "the last running request, aborted since even alone it does not fit",
    "queue full": "a request turned away by max_queued",
    "concurrent turn": "a turn submitted while another of its session is live",
    "turn of a closing session": "a turn submitted after its session's close was deferred",
    "turn of no session": "a turn of a session that is not open",
    "prompt too long": "a prompt beyond the limit",
    "close in flight": "a close while a turn is live",
    "close carried out later": "the reaper closes what was deferred",
    "session time-out": "the reaper closes a silent session",
    "time-out in flight": "a session's time-out passes while a turn is live",
    "waiting time-out": "a request that waited too long",
    "running time-out": "a request that ran too long",
    "busy check": "the release's busy check failed",
    "idle check": "the release's idle check failed",
    "crash": "the release raised; the case ends there",
    **{
        "window passed, decoding": "windowed KV given back that a decode step cannot see any more",
        "window passed, prefilling": "the same between the chunks of a prompt, without a tree",
        "parked chunk": "a split prompt that finds too little windowed memory to go on",
        "tombstone by eviction": "an inner node that loses its windowed half to make room",
        "tombstone inserted": "a request that left its window behind ends as tombstone and leaf",
        "tombstone left": "a request passes a tombstone with as little of its own",
        "tombstone replaced": "a tombstone takes over a request's slots",
        "tombstone replaced in part": "the same for its lower part",
        "state copied": "a state copied, for a request or for the tree",
        "state found": "a match that ends at a state",
        "state inserted": "a state given to the tree",
        "state there already": "a state that the tree has already",
        "branching point": "a match of text whose states are gone, beyond the last one",
        "snapshot": "a position noted as kept in a snapshot",
        "states evicted": "states of the tree freed for a request",
        "tombstone without its state": "an inner node that loses its state",
        "refused turn with states": "an admission attempt of a turn with its session's states, refused by injection",
        "out of states": "the release raised for want of a state",
    },
    "stuck": "requests wait and nothing runs to the end of the case",
}


def kind_of(what: Any) -> str:
    """The kind of one operation."""
    if isinstance(what, str):
        assert what in (STEP, REAP)
        return what
    if isinstance(what, Submit):
        return "submit request" if what.what.session is None else "submit turn"
    if isinstance(what, Retract):
        if what.how == "memory":
            return "retract for memory"
        return "pause all" if what.rids is None else "pause some"
    kind: str = what.kind
    return kind
