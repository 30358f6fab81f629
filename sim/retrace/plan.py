"""Which events of a run are looked at, and how closely."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import InputError

MOST_SAMPLES = 400
MOST_MOMENTS = 8
BEFORE, AFTER = 24, 12
_BESIDE = 2
_SLOTS_IN_ALL = 40_000_000
"""Slots looked at in all samples together: with large pools there are fewer samples."""
_SLOTS_CLOSELY = 100_000_000
"""The same of the events around causes: with large pools fewer of them."""


@dataclass(frozen=True)
class Window:
    """The events around a cause, and whom the verdicts of that cause name."""

    verdicts: tuple[int, ...]
    event: int
    events: tuple[int, ...]
    requests: frozenset[str]
    sessions: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """When to take the map of all slots, and which rows to follow when."""

    samples: frozenset[int]
    windows: tuple[Window, ...]

    @property
    def closely(self) -> frozenset[int]:
        """The events at which rows are followed."""
        return frozenset(event for window in self.windows for event in window.events)


def plan_of(folder: Path, variant: str, slots: int) -> Plan:
    """What the verdicts of a run's folder make worth looking at; `slots`: of all its pools together."""
    path = folder / "verdicts.json"
    try:
        outcome = json.loads(path.read_text(encoding="utf-8"))["variants"][variant]
        return plan(outcome["events"], outcome["verdicts"], slots)
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}:1:1: this is not what a run wrote; run the scenario again with --out") from None


def plan(events: int, verdicts: Iterable[Mapping[str, Any]], slots: int) -> Plan:
    """The plan for a run of so many events with these verdicts."""
    groups: dict[tuple[int, str], list[int]] = {}
    listed = list(verdicts)
    for number, verdict in enumerate(listed):
        cause = verdict.get("cause") or {}
        groups.setdefault((cause.get("event", verdict["event"]), cause.get("what", "")), []).append(number)
    chosen = list(groups.items())[:MOST_MOMENTS]
    near = _SLOTS_CLOSELY // max(slots, 1) // max(len(chosen), 1)
    windows = tuple(
        _window(event, numbers, [listed[n] for n in numbers], events, near) for (event, _), numbers in chosen
    )
    marked = {e for verdict in listed for e in _events_of(verdict) if 1 <= e <= events}
    most = max(2, min(MOST_SAMPLES, _SLOTS_IN_ALL // max(slots, 1)))
    return Plan(frozenset(_spread(events, marked, most)), windows)


def _events_of(verdict: Mapping[str, Any]) -> Iterable[int]:
    """Cause, verdict and detection."""
    cause = verdict.get("cause") or {}
    found = (cause.get("event"), verdict["event"], verdict.get("detected_event"))
    return (event for event in found if event is not None)


def _window(event: int, numbers: list[int], verdicts: list[Mapping[str, Any]], events: int, near: int) -> Window:
    """The events before and after a cause, `near` of them or somewhat more, and those beside its detection."""
    before, after = max(_BESIDE, min(BEFORE, near * 2 // 3)), max(_BESIDE, min(AFTER, near // 3))
    covered = set(range(event - before, event + after + 1))
    for verdict in verdicts:
        for marked in _events_of(verdict):
            covered |= set(range(marked - _BESIDE, marked + _BESIDE + 1))
    named: dict[str, set[str]] = {"request": set(), "session": set()}
    for verdict in verdicts:
        for told in (verdict, verdict.get("cause") or {}):
            for kind, names in named.items():
                if told.get(kind) is not None:
                    names.add(told[kind])
    within = tuple(sorted(e for e in covered if 1 <= e <= events))
    return Window(tuple(numbers), event, within, frozenset(named["request"]), frozenset(named["session"]))


def _spread(events: int, marked: set[int], most: int) -> set[int]:
    """The marked events, the first and the last, and others evenly between, `most` in all."""
    chosen = set(sorted(marked)[: most // 2]) | {e for e in (1, events) if e >= 1}
    room = most - len(chosen)
    if events <= most:
        return set(range(1, events + 1))
    return chosen | {1 + (events - 1) * i // room for i in range(room)}


def at_or_before(ordered: list[int], event: int) -> int:
    """The index of the last of these events that is not after this one."""
    return bisect_right(ordered, event) - 1
