"""Figures and one HTML page from the folders that runs leave behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.errors import ReportError

if TYPE_CHECKING:
    from reports.data import Outcome

__all__ = ["ReportError", "build", "check_events", "lacking", "runs"]


def build(paths: Sequence[Path], out: Path | None = None, jobs: int = 1) -> Path:
    """Write report.html and its figures for these runs; return the page's path.

    A path is the folder of one run, of a scenario, or a whole output folder. Without `out` the page is
    written into the one folder given, or into the current folder when several are compared. Of more than a few
    scenarios the figures are written as SVG only, and drawn by as many processes as `jobs` says.
    """
    from reports.write import write

    return write(paths, out, jobs)


def check_events(folder: Path, of: int, say: Callable[[str], None]) -> None:
    """Hold every line of events.jsonl to the rules; as far as it goes, where there are less than `of`."""
    from reports.events import read_events

    path = folder / "events.jsonl"
    if not path.is_file():
        say(f"{folder}: there is no events.jsonl; shown without the operations")
        return
    for _ in read_events(path, say, of)[1]:
        pass


def lacking(folder: Path) -> tuple[list[str], list[str]]:
    """What of the inside of a run is damaged, and how; what cannot be shown."""
    from reports.damage import damage
    from reports.inside import missing

    damaged = damage(folder)
    return list(damaged.values()), missing(folder, damaged)


def runs(paths: Sequence[Path], say: Callable[[str], None]) -> list[tuple[Path, Outcome]]:
    """The folder of every run that such paths name, and what it came to; those that were killed are told."""
    from reports.data import read_outcome
    from reports.find import run_folders

    return [(folder, read_outcome(folder)[2]) for folder in run_folders(paths, say)]
