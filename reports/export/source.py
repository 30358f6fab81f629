"""A run's folder as an export reads it: its log, and whatever else is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.damage import damage
from reports.data import Outcome, Verdict, is_run, read_meta, read_outcome
from reports.events import Event, read_events
from reports.find import folders
from reports.lines import TIME, Say
from reports.states import Change, read_changes

_EVENTS = "events.jsonl"
_LIVES = "lives.jsonl"


@dataclass(frozen=True)
class Source:
    """One run; `verdicts` and `of`, how many events it had, are None where an interrupted run has left no verdicts.

    `end` is when it ended.
    """

    folder: Path
    scenario: str
    variant: str
    labels: tuple[str, ...]
    verdicts: tuple[Verdict, ...] | None
    of: int | None
    end: float
    say: Say

    def events(self) -> tuple[tuple[str, ...], Iterator[Event]]:
        """The pools, and all events."""
        return read_events(self.folder / _EVENTS, self.say, self.of, "exported")

    def lives(self) -> Iterator[Change]:
        """What requests and sessions were when; nothing where that was not written down."""
        return read_changes(self.folder / _LIVES, self.say) if has_lives(self.folder) else iter(())


def has_lives(folder: Path) -> bool:
    """Whether it was written down, and is whole, what requests and sessions were when."""
    return (folder / _LIVES).is_file() and not damage(folder, [_LIVES])


def find_sources(path: Path) -> list[Path]:
    """The folders of runs that a path means: of one, of a scenario, of a whole output folder."""
    return folders(path, _has_events, _EVENTS)


def without_events(path: Path) -> list[Path]:
    """The folders of runs beside those that have none of what an export begins with."""
    found = folders(path, lambda folder: _has_events(folder) or is_run(folder), _EVENTS)
    return [folder for folder in found if not _has_events(folder)]


def _has_events(folder: Path) -> bool:
    return (folder / _EVENTS).is_file()


def outcomes(path: Path) -> list[tuple[Path, Outcome]]:
    """The folders of runs that came to something, and what."""
    return [(f, read_outcome(f)[2]) for f in find_sources(path) if (f / "verdicts.json").is_file()]


def read_source(folder: Path, say: Say) -> Source:
    """Read what is small, so that what is wrong with it is told before anything is written."""
    ended: Any = read_meta(folder).get("time")
    end = float(ended) if TIME.holds(ended) else 0.0
    if not (folder / "verdicts.json").is_file():
        say(f"{folder}: there is no verdicts.json, the run was interrupted; exported without verdicts")
        place = folder.resolve()
        return Source(folder, place.parent.name, place.name, (), None, None, end, say)
    scenario, variant, outcome = read_outcome(folder)
    if outcome.broken_off is not None:
        say(f"{folder}: the run was broken off; exported up to event {outcome.events}")
    changes = [f"without {number}" for number in outcome.reverted] + [f"with {number}" for number in outcome.added]
    labels = (outcome.engine, outcome.release, *changes)
    return Source(folder, scenario, variant, labels, outcome.verdicts, outcome.events, end, say)
