"""Whether a run shows what its scenario expects: verdicts, and figures at points of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sim.conditions import Moment, holds, spelled
from sim.engines.protocol import POOLS, Engine, SessionState, Snapshot, Terms
from sim.scenario.model import Expect, ExpectVerdict, Point

if TYPE_CHECKING:
    from sim.ledger.verdicts import Verdict

_FIELDS = ("verdict", "pool", "size", "request", "session", "invariant", "detected_by")


def unmet_verdicts(expect: Expect, verdicts: Sequence[Verdict]) -> list[str]:
    """One line for each entry that no verdict matches, and for each verdict that no entry matches."""
    lines = []
    for entry in expect.verdicts:
        found = [v for v in verdicts if _matches(entry, v)]
        if entry.verdict == "clean":
            if verdicts:
                lines.append(f"{entry.place}: expected clean, found {_summary(verdicts)}")
        elif entry.count is not None and len(found) != entry.count:
            lines.append(f"{entry.place}: expected {entry.count} times {_spelled(entry)}, found {len(found)}")
        elif entry.count is None and not found:
            lines.append(f"{entry.place}: expected {_spelled(entry)}, found {_summary(verdicts)}")
    if all(entry.verdict != "clean" for entry in expect.verdicts):
        for verdict in verdicts:
            if not any(_matches(entry, verdict) for entry in expect.verdicts):
                lines.append(f"{expect.place}: no entry expects {_brief(verdict)}")
    return lines


class Points:
    """The points of one run: looked at once each, in the first event at whose end their trigger holds."""

    def __init__(self, points: Sequence[Point], engine: Engine, page_size: int) -> None:
        self._pending = list(points)
        self._engine = engine
        self._page_size = page_size
        self._wrong: list[str] = []

    def watch(self, moment: Moment) -> None:
        """An event has ended."""
        due = [p for p in self._pending if holds(p.trigger, moment, self._engine)]
        for point in due:
            self._wrong += self._compare(point)
        if due:
            self._pending = [p for p in self._pending if p not in due]

    def unmet(self) -> list[str]:
        """One line for each figure that differed, and for each point that never came."""
        never = [f"{p.place}: this point never came ({spelled(p.trigger)})" for p in self._pending]
        return self._wrong + never

    def _compare(self, point: Point) -> list[str]:
        snapshot = self._engine.snapshot()
        when = spelled(point.trigger)
        found = self._figures(point, snapshot)
        return [
            f"{point.place}: {when}: {name} is {'absent' if value is None else value}, expected {wanted}"
            for name, wanted, value in found
            if value != wanted
        ]

    def _figures(self, point: Point, snapshot: Snapshot) -> list[tuple[str, int, Any]]:
        """Name, expected and found value of each figure."""
        figures: list[tuple[str, int, Any]] = []
        for pool in POOLS:
            terms = snapshot.pools.get(pool)
            figures += _named(pool, getattr(point, pool), {} if terms is None else _terms(terms))
        states = {s.session: s for s in snapshot.sessions}
        for name, wanted in point.sessions.items():
            state = states.get(name)
            values = {} if state is None else self._session(state)
            figures += _named(f"sessions.{name}", wanted, values)
        for rid, wanted in point.requests.items():
            figures += _named(f"requests.{rid}", wanted, asdict(self._engine.progress(rid)))
        if point.free_rows is not None:
            figures.append(("free_rows", point.free_rows, snapshot.free_rows))
        return figures

    def _session(self, state: SessionState) -> dict[str, Any]:
        pages = -(-state.a // self._page_size)
        none = state.row is None
        held = 0 if none else pages * self._page_size - state.p
        held_swa = 0 if none else pages * self._page_size - max(state.p, state.e)
        return {**state._asdict(), "held": held, "held_swa": held_swa, "states": len(state.states)}


def entry_to_json(entry: ExpectVerdict) -> dict[str, Any]:
    """The fields that an entry gives."""
    fields = {name: getattr(entry, name) for name in (*_FIELDS, "count")}
    return {name: value for name, value in fields.items() if value is not None}


def _matches(entry: ExpectVerdict, verdict: Verdict) -> bool:
    wanted = ((name, getattr(entry, name)) for name in _FIELDS)
    return all(value is None or getattr(verdict, name) == value for name, value in wanted)


def _terms(terms: Terms) -> dict[str, int]:
    return {**terms._asdict(), "sum": terms.sum, "delta": terms.delta}


def _named(group: str, wanted: Mapping[str, int], values: Mapping[str, Any]) -> list[tuple[str, int, Any]]:
    return [(f"{group}.{name}", value, values.get(name)) for name, value in wanted.items()]


def _spelled(entry: ExpectVerdict) -> str:
    fields = entry_to_json(entry)
    fields.pop("count", None)
    name = fields.pop("verdict")
    return " ".join([name, *(f"{key}={value}" for key, value in fields.items())])


def _brief(verdict: Verdict) -> str:
    return f"{verdict.verdict} pool={verdict.pool} size={verdict.size} at event {verdict.event}"


def _summary(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "clean"
    more = f" and {len(verdicts) - 1} more" if len(verdicts) > 1 else ""
    return _brief(verdicts[0]) + more
