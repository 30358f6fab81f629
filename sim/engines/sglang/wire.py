"""What travels between kvledger and a worker: JSON lines, and how the parts of the protocol look in them.

request   {"op": NAME, …}                      open, submit, abort, close, expire, retract, refuse: as in ops.jsonl
          begin {config, audit, release?}      a fresh scheduler; every other operation works on that one
          advance {t} │ step │ snapshot │ layout │ progress {rid} │ end
          play {ops: [{"op", "t", …}, …], deep, config?}     many at once, a mark for each (`sim.engines.marks`)
answer    {"value", "state": [idle, waiting, running, next_reap], "alarm"?, "seen"?}
          {"crash": {"kind", "message", "frames"}, …}        the release raised
          {"broken": TEXT}                                   the boundary does not fit, or a fault of ours
"""

from __future__ import annotations

from collections.abc import Iterable
from json import dumps, loads
from typing import Any

from sim.engines.layout import Layout, NodeLayout, RequestLayout, SlotLayout, StateLayout
from sim.engines.marks import REAP, STEP, Crash, Mark, Timed
from sim.engines.protocol import EngineCrash, Progress, SessionState, Snapshot, StepReport, Terms
from sim.operations import (
    Abort,
    Close,
    Expire,
    Open,
    Operation,
    Refuse,
    Retract,
    Submit,
    request_from_json,
)

Message = dict[str, Any]
OPERATIONS = ("open", "submit", "abort", "close", "expire", "retract", "refuse")


def pack(message: Message) -> bytes:
    """One line."""
    return dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def unpack(line: bytes) -> Message:
    """The message of one line; ValueError if it is none."""
    message = loads(line)
    if not isinstance(message, dict):
        raise ValueError("no JSON object")
    return message


# -- operations --------------------------------------------------------------------------------------------


def operation_to_json(operation: Operation) -> Message:
    """An operation as ops.jsonl has it, without its time."""
    return {"op": operation.kind, **operation.fields()}


def operation_from_json(data: Message) -> Operation:
    """The operation that `operation_to_json` wrote; KeyError or TypeError if it is none."""
    match data["op"]:
        case "open":
            return Open(session=data["session"], timeout=data["timeout"])
        case "submit":
            return Submit(what=request_from_json(data["request"]))
        case "abort":
            return Abort(request=data["rid"])
        case "close":
            return Close(session=data["session"])
        case "expire":
            return Expire(session=data["session"])
        case "retract":
            rids = data["rids"]
            return Retract(rids=None if rids is None else tuple(rids), how=data["how"])
        case "refuse":
            return Refuse(request=data["rid"], times=data["times"])
        case other:
            raise KeyError(f"{other!r} is no operation")


def timed_to_json(actions: Iterable[Timed]) -> list[Message]:
    """Operations with their times."""
    return [
        {"op": what, "t": time} if isinstance(what, str) else {**operation_to_json(what), "t": time}
        for time, what in actions
    ]


def timed_from_json(data: Iterable[Message]) -> list[Timed]:
    """What `timed_to_json` wrote."""
    return [
        (item["t"], item["op"] if item["op"] in (STEP, REAP) else operation_from_json(item)) for item in data
    ]


# -- marks and crashes -------------------------------------------------------------------------------------


def crash_to_json(error: EngineCrash | Crash) -> Message:
    """What is known of a crash."""
    return {"kind": error.kind, "message": error.message, "frames": list(error.frames)}


def crash_from_json(data: Message) -> EngineCrash:
    """The crash as the engine raised it."""
    return EngineCrash(data["kind"], data["message"], data["frames"])


def marks_to_json(marks: list[Mark]) -> Message:
    """Numbers, and the crash that ended them."""
    crash = next((mark for mark in marks if isinstance(mark, Crash)), None)
    return {
        "marks": [mark for mark in marks if not isinstance(mark, Crash)],
        "crash": None if crash is None else crash_to_json(crash),
    }


def marks_from_json(data: Message) -> list[Mark]:
    """What `marks_to_json` wrote."""
    marks: list[Mark] = list(data["marks"])
    crash = data["crash"]
    return marks if crash is None else [*marks, Crash(crash["kind"], crash["message"], tuple(crash["frames"]))]


# -- states ------------------------------------------------------------------------------------------------


def report_from_json(data: list[Any]) -> StepReport:
    """A StepReport; it travels as the list of its fields."""
    return StepReport._make(tuple(value) if isinstance(value, list) else value for value in data)


def progress_from_json(data: list[Any]) -> Progress:
    """A Progress; it travels as the list of its fields."""
    return Progress(*data)


def snapshot_to_json(snapshot: Snapshot) -> Message:
    """A Snapshot."""
    return {
        "pools": snapshot.pools, "free_rows": snapshot.free_rows, "waiting": snapshot.waiting,
        "running": snapshot.running, "chunked": snapshot.chunked, "last_batch": snapshot.last_batch,
        "sessions": [
            (s.session, s.row, s.c, s.a, s.p, s.e, s.history, s.inflight, s.closing, s.states)
            for s in snapshot.sessions
        ],
    }  # fmt: skip


def snapshot_from_json(data: Message) -> Snapshot:
    """What `snapshot_to_json` wrote."""
    last = data["last_batch"]
    return Snapshot(
        pools={name: Terms(*terms) for name, terms in data["pools"].items()}, free_rows=data["free_rows"],
        waiting=tuple(data["waiting"]), running=tuple(data["running"]), chunked=data["chunked"],
        last_batch=None if last is None else tuple(last),
        sessions=tuple(SessionState(*[*fields, tuple(states)]) for *fields, states in data["sessions"]),
    )  # fmt: skip


def layout_to_json(layout: Layout) -> Message:
    """A Layout; named tuples travel as lists."""
    return {**layout.__dict__}


def layout_from_json(data: Message) -> Layout:
    """What `layout_to_json` wrote."""
    return Layout(
        free={name: tuple(free) for name, free in data["free"].items()},
        free_rows=tuple(data["free_rows"]),
        requests=tuple(
            RequestLayout._make((*fields, tuple(slots), _state(state))) for *fields, slots, state in data["requests"]
        ),
        slots=tuple(
            SlotLayout._make((*fields, tuple(slots), _state(state))) for *fields, slots, state in data["slots"]
        ),
        tree=tuple(
            NodeLayout(path, depth, length, lock, tuple(slots), *rest)
            for path, depth, length, lock, slots, *rest in data["tree"]
        ),
        ratio=data["ratio"],
        batch_full=data["batch_full"],
        forwards=data["forwards"],
        mapping=tuple(data["mapping"]),
        recency={name: tuple(paths) for name, paths in data["recency"].items()},
    )


def _state(data: list[Any] | None) -> StateLayout | None:
    if data is None:
        return None
    slot, snapshots, *rest = data
    return StateLayout(slot, tuple(snapshots), *rest)
