"""The tables of the page: verdicts with all fields, operations before the cause, options of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reports.data import Cause, Run, Verdict
from reports.html import details, row, table, text
from reports.log import events_at
from reports.numbers import count, signed
from reports.words import listed, size_of, worst_verdict

_MOST = 200
_BEFORE = 8
_VERDICT_HEAD = (
    "#",
    "verdict",
    "pool",
    "size",
    "invariant",
    "event",
    "iteration",
    "time",
    "request",
    "session",
    "seen by",
    "at event",
    "at iteration",
    "latency",
)
_EVENT_HEAD = ("event", "time", "operation", "batch", "what happened", "sum − total")


def verdict_table(run: Run) -> str:
    """Each verdict with every field, its cause and its message below it."""
    verdicts = run.outcome.verdicts
    if not verdicts:
        return ""
    rows = (_verdict_rows(number, verdict) for number, verdict in enumerate(verdicts[:_MOST], start=1))
    more = len(verdicts) - _MOST
    note = f"<p>{count(more)} more are in verdicts.json.</p>" if more > 0 else ""
    return f"<h4>Verdicts</h4>{table(_VERDICT_HEAD, rows)}{note}"


def _verdict_rows(number: int, verdict: Verdict) -> str:
    latency = verdict.latency_events
    cells = (
        number,
        verdict.verdict,
        verdict.pool,
        size_of(verdict),
        verdict.invariant,
        _count(verdict.event),
        _count(verdict.iteration),
        _time(verdict.time),
        verdict.request,
        verdict.session,
        verdict.detected_by,
        _count(verdict.seen),
        _count(verdict.detected_iteration),
        None if latency is None else f"{count(latency)} event{'' if latency == 1 else 's'}",
    )
    message = f"<pre>{text(verdict.message)}</pre>" if verdict.message else ""
    cause = f"<b>cause</b> {text(_cause(verdict.cause))}" if verdict.cause else ""
    below = f'<tr class="more"><td></td><td colspan="{len(_VERDICT_HEAD) - 1}">{cause}{message}</td></tr>'
    return row(cells, kind="verdict") + (below if cause or message else "")


def _cause(cause: Cause) -> str:
    parts = [f"{cause.what}: event {count(cause.event)}"]
    if cause.iteration is not None:
        parts.append(f"iteration {count(cause.iteration)}")
    named = (
        (_time(cause.time), "at "),
        (cause.op, "operation "),
        (cause.request, "request "),
        (cause.session, "session "),
    )
    parts += [prefix + str(value) for value, prefix in named if value]
    if cause.slots:
        many = cause.count is not None and cause.count > len(cause.slots)
        parts.append(f"slots {listed(cause.slots)}{f', … ({count(cause.count or 0)} in all)' if many else ''}")
    return ", ".join(parts)


def operations_table(run: Run) -> str:
    """What the engine did just before the worst fault, and the event that caused it."""
    if not run.outcome.verdicts:
        return ""
    began = worst_verdict(run.outcome.verdicts).began
    events = events_at(run.folder, range(max(1, began - _BEFORE), began + 1))
    if not events:
        return "<h4>Last operations before the cause</h4><p>No event log was written.</p>"
    rows = (row(_event_cells(event), kind="cause" if event["event"] == began else "") for event in events)
    return f"<h4>Last operations before the cause</h4>{table(_EVENT_HEAD, rows, kind='events')}"


def _event_cells(event: Mapping[str, Any]) -> tuple[object, ...]:
    who = event.get("request") or event.get("session") or ""
    batch = [f"{event['batch']} request{'' if event['batch'] == 1 else 's'}"] if "batch" in event else []
    batch += [f"{event['tokens']} tokens prefilled"] if "tokens" in event else []
    happened = [
        f"{name} {', '.join(map(str, event[name]))}"
        for name in ("finished", "aborted", "retracted", "refused", "closed")
        if isinstance(event.get(name), list)
    ]
    happened += [f"{name} {event[name]}" for name in ("lost", "extra") if event.get(name)]
    happened += [
        f"{pool} {signed(event[f'{pool}_delta'])}" for pool in ("swa", "mamba") if event.get(f"{pool}_delta")
    ]
    happened += [str(event["check"])] if event.get("check") else []
    delta = event.get("delta", 0)
    return (
        _count(event["event"]),
        _time(event.get("t")),
        f"{event.get('kind', '')} {who}".strip(),
        ", ".join(batch),
        "; ".join(happened),
        signed(delta) if isinstance(delta, int) else delta,
    )


def options(run: Run) -> str:
    """How to run it again, and everything that it was run with."""
    replay = run.meta.get("replay")
    line = f"<h4>Replay</h4><pre>{text(replay)}</pre>" if replay else ""
    rest = {key: value for key, value in run.meta.items() if key != "replay"}
    rows = [row(pair) for pair in _flat("", rest)]
    if not rows:
        return line
    return line + details("Seed, versions and every option", table(("option", "value"), rows))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), item)
    else:
        yield prefix, str(value)


def _count(value: Any) -> str | None:
    return count(value) if isinstance(value, int) else None


def _time(seconds: float | None) -> str | None:
    return f"{seconds:.6g} s" if isinstance(seconds, (int, float)) else None
