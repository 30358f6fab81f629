"""What a lockstep came to, as text and as JSON: both snapshots side by side, what differs marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sim.engines.protocol import TERMS, Snapshot, StepReport
from sim.engines.sglang import wire
from sim.lockstep import Difference, Outcome, View
from sim.operations import Open, Operation, Refuse, Retract, Submit
from sim.recorded import Line

WIDTH = 100
_MARK = "≠ "
_CRASH = ("crash", "raised at")
_MOST = 40
Row = tuple[str, str, str]


def lines(outcome: Outcome, path: Path) -> Iterator[str]:
    """The outcome as text."""
    one, other = outcome.names
    if outcome.difference is not None:
        yield from _difference(outcome.difference, outcome.names, path)
    elif outcome.unsteady is not None:
        first, last = outcome.unsteady
        yield (
            f"{one} and {other} differed somewhere in operations {first} to {last}, but not when these were played "
            "once more: one of them does not do the same thing every time"
        )
    else:
        yield f"equal: {one} and {other}, {outcome.operations} operations, {_times(outcome.layouts, 'layout')}"
        if outcome.crash is not None:
            yield f"both crash at the last of them: {outcome.crash.kind}: {outcome.crash.message}"


def to_json(outcome: Outcome, path: Path) -> dict[str, Any]:
    """The outcome as one document."""
    data: dict[str, Any] = {
        "ops": str(path), "engines": list(outcome.names), "equal": outcome.equal, "operations": outcome.operations,
        "layouts": outcome.layouts, "crash": outcome.crash and wire.crash_to_json(outcome.crash),
        "unsteady": outcome.unsteady and list(outcome.unsteady), "difference": None,
    }  # fmt: skip
    difference = outcome.difference
    if difference is not None:
        data["difference"] = {
            **_line_to_json(difference.operation, difference.line),
            "before": [_line_to_json(number, line) for number, line in difference.before],
            "views": [_view_to_json(view) for view in (difference.one, difference.other)],
            "layout": difference.layout,
        }
    return data


def told(what: Operation | str) -> str:
    """An operation in a few words."""
    if isinstance(what, str):
        return what
    words = [what.kind]
    if isinstance(what, Retract):
        words += ["all" if what.rids is None else " ".join(what.rids), f"({what.how})"]
    elif isinstance(what, Submit):
        request = what.what
        prompt = sum(segment.length for segment in request.prompt)
        words.append(f"{request.rid}: prompt {prompt}, output {request.max_new}")
        words[-1] += f", session {request.session}" if request.session else ""
        words[-1] += f", stop at {request.stop_at}" if request.stop_at is not None else ""
    else:
        words.append(what.request or what.session or "")
        words += [f"{what.times} times"] if isinstance(what, Refuse) else []
        words += [f"timeout {what.timeout:g} s"] if isinstance(what, Open) and what.timeout is not None else []
    return " ".join(words)


def _difference(difference: Difference, names: tuple[str, str], path: Path) -> Iterator[str]:
    line = difference.line
    yield (
        f"the engines differ after operation {difference.operation} ({path}:{line.number}, {line.time:.6g} s): "
        f"{told(line.what)}"
    )
    if difference.before:
        yield "before it:"
        width = len(str(difference.before[-1][0]))
        for number, earlier in difference.before:
            yield f"  {number:{width}}  {earlier.time:<10.6g}  {told(earlier.what)}"
    crashed = difference.one.crash is not None or difference.other.crash is not None
    yield from _columns(names, _rows(difference.one, difference.other), crashed)
    layout = difference.layout
    if layout:
        yield f"in memory, index by index ({names[0]} | {names[1]}):"
        yield from (f"  {text}" for text in layout[:_MOST])
        if len(layout) > _MOST:
            yield f"  … and {_times(len(layout) - _MOST, 'more difference')}"


def _columns(names: tuple[str, str], rows: list[Row], crashed: bool) -> Iterator[str]:
    """Aligned, each value in its column, on further lines where it is too long for it.

    Beside a crash everything differs: only the crash is marked.
    """
    label = max(len(row[0]) for row in rows)
    left = max(len(names[0]), *(len(row[1]) for row in rows))
    right = max(len(names[1]), *(len(row[2]) for row in rows))
    room = WIDTH - len(_MARK) - label - 4
    left = min(left, max(room - right, room // 2))
    right = min(right, room - left)
    for name, one, other in [("", *names), *rows]:
        differs = bool(name) and one != other and (name in _CRASH or not crashed)
        ones, others = _folded(one, left), _folded(other, right)
        for i in range(max(len(ones), len(others))):
            cells = [name if i == 0 else "", *(c[i] if i < len(c) else "" for c in (ones, others))]
            mark = _MARK if differs else " " * len(_MARK)
            yield f"{mark}{cells[0]:{label}}  {cells[1]:{left}}  {cells[2]}".rstrip()


def _folded(text: str, width: int) -> list[str]:
    """Cut between words where one ends in time."""
    parts = []
    while len(text) > width:
        at = text.rfind(" ", 1, width + 1)
        parts.append(text[: at if at > 0 else width])
        text = text[at if at > 0 else width :].lstrip()
    return [*parts, text]


def _rows(one: View, other: View) -> list[Row]:
    mine, theirs = _facts(one), _facts(other)
    names = sorted(dict.fromkeys([*mine, *theirs]), key=lambda name: name not in _CRASH)
    return [(name, mine.get(name, "–"), theirs.get(name, "–")) for name in names]


def _facts(view: View) -> dict[str, str]:
    """All there is to see but the layout, by name."""
    if view.crash is not None:
        words = " ".join(f"{view.crash.kind}: {view.crash.message}".split())
        return dict(zip(_CRASH, (words, " → ".join(view.crash.frames) or "–"), strict=True))
    closed, report = view.answer
    facts = {"closed": _list(closed)} if closed else {}
    if report is not None:
        facts |= _report(StepReport(*report))
    facts["idle"] = "yes" if view.idle else "no"
    return facts if view.snapshot is None else facts | _snapshot(view.snapshot)


def _report(report: StepReport) -> dict[str, str]:
    facts = {"iteration": str(report.iteration)}
    facts["batch"] = (
        f"{report.kind} of {report.batch}, {report.prefill_tokens} tokens, {report.decode_requests} decode"
    )
    for name in ("finished", "aborted", "retracted", "refused"):
        if getattr(report, name):
            facts[name] = _list(getattr(report, name))
    if report.release_check is not None:
        facts["check"] = " ".join(report.release_check.split())
    return facts if report.progressed else facts | {"progressed": "no"}


def _snapshot(snapshot: Snapshot) -> dict[str, str]:
    facts: dict[str, str] = {}
    for pool, terms in sorted(snapshot.pools.items()):
        facts |= {f"{pool} {name}": str(value) for name, value in zip(TERMS, terms, strict=False)}
        facts[f"{pool} sum − total"] = f"{terms.delta:+d}" if terms.delta else "0"
    facts["free rows"] = str(snapshot.free_rows)
    facts["waiting"], facts["running"] = _list(snapshot.waiting), _list(snapshot.running)
    facts["chunked"] = snapshot.chunked or "–"
    facts["last batch"] = "–" if snapshot.last_batch is None else _list(snapshot.last_batch)
    for s in snapshot.sessions:
        row = "–" if s.row is None else s.row
        flags = "".join([" in flight" * s.inflight, " closing" * s.closing])
        facts[f"session {s.session}"] = f"row {row} c {s.c} a {s.a} p {s.p} e {s.e} history {s.history}{flags}"
    return facts


def _list(names: tuple[str, ...]) -> str:
    return " ".join(names) if names else "none"


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _line_to_json(number: int, line: Line) -> dict[str, Any]:
    fields = {"op": line.what} if isinstance(line.what, str) else wire.operation_to_json(line.what)
    return {"operation": number, "line": line.number, "t": line.time, **fields}


def _view_to_json(view: View) -> dict[str, Any]:
    if view.crash is not None or view.snapshot is None:
        return {"crash": view.crash and wire.crash_to_json(view.crash)}
    closed, report = view.answer
    return {
        "closed": closed, "report": report and StepReport(*report)._asdict(), "idle": view.idle,
        "snapshot": wire.snapshot_to_json(view.snapshot),
    }  # fmt: skip
