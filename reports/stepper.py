"""Stepping through the events around a cause: the operation, the terms and the rows, before and after.

The page carries what is needed as JSON; `stepper.js` shows it. Without JavaScript the table of operations says it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from reports.data import Run
from reports.html import text
from reports.log import events_at
from reports.moments import Moment, Row
from reports.numbers import count
from reports.series import TERMS
from reports.style import TERM_STYLES
from reports.words import runs, size_of

_POOLS = ("full", "swa", "mamba")


@cache
def script() -> str:
    """What the page needs to step."""
    return _beside("stepper.js")


@cache
def style() -> str:
    """How it looks."""
    accounts = "".join(f"--{name}: {style.color}; " for name, style in TERM_STYLES.items())
    return f".strip {{ {accounts}}}\n{_beside('stepper.css')}"


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def steppers(run: Run) -> str:
    """One for each cause of a run into which somebody has looked."""
    moments = run.moments
    numbers = {step.event for moment in moments for step in moment.steps}
    lines = {event["event"]: event for event in events_at(run.folder, numbers)} if numbers else {}
    return "".join(_stepper(run, moment, lines) for moment in moments if moment.event in lines)


def _stepper(run: Run, moment: Moment, lines: dict[int, dict[str, Any]]) -> str:
    told = [run.outcome.verdicts[n] for n in moment.verdicts if n < len(run.outcome.verdicts)]
    words = "; ".join(f"{n + 1}: {v.verdict} {size_of(v)}" for n, v in zip(moment.verdicts, told, strict=False))
    data = {
        "cause": moment.event,
        "seen": sorted({v.seen for v in told if v.seen is not None}),
        "slots": sorted({slot for v in told if v.cause is not None and v.pool == "full" for slot in v.cause.slots}),
        "pools": {pool: series.total for pool, series in _totals(run)},
        "terms": list(TERMS),
        "steps": [
            {"line": lines[step.event], "rows": [_row(row) for row in step.rows]}
            for step in moment.steps
            if step.event in lines
        ],
    }
    return (
        f'<section class="stepper" hidden aria-label="events around event {moment.event}">'
        f"<h4>Step through the events around event {count(moment.event)} ({text(words)})</h4>"
        f'<script type="application/json">{_json(data)}</script></section>\n'
    )


def _totals(run: Run) -> Iterator[tuple[str, Any]]:
    yield "full", run.series
    yield from run.others.items()


def _row(row: Row) -> dict[str, Any]:
    """A row, its slots as runs of neighbours."""
    told = {name: getattr(row, name) for name in ("row", "session", "request", "p", "c", "a", "e")}
    return told | {"runs": runs(row.slots)}


def _json(data: Any) -> str:
    """JSON that may stand inside a script element, whatever it holds."""
    plain = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
