"""What each command that shows something does: report, export, log."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import InputError
from sim.progress import Progress, waiting

if TYPE_CHECKING:
    from reports.data import Outcome
    from sim.engines.select import Engines


def report(args: Namespace) -> int:
    """Figures and one page for what runs have left; what an old folder lacks is looked up by playing it again."""
    from reports import check_events

    for folder, outcome in _runs(args.dirs):
        if outcome.broken_off is not None:
            _say(f"{folder}: the run was broken off; shown up to event {outcome.events}")
        with waiting(sys.stderr, f"reading {folder}") as progress:
            _reported(check_events, folder, outcome.events, _aside(progress))
        _look_again(folder, outcome.engine, args)
    with waiting(sys.stderr, "drawing the report"):
        page = build_report(args.dirs, args.out)
    print(page)
    return 0


def _runs(paths: list[Path]) -> list[tuple[Path, Outcome]]:
    """The folders of the runs that these paths name, each with what it came to."""
    from reports import runs

    found: list[tuple[Path, Outcome]] = _reported(runs, paths, _say)
    return found


def _look_again(folder: Path, engine: str, args: Namespace) -> None:
    """What looking inside has left, or should have, is made anew where it is missing or damaged."""
    from reports import lacking
    from sim.engines.select import MODEL, Choice, Engines

    damaged, missing = lacking(folder)
    for line in damaged:
        _say(f"{line}; looking inside the run again")
    if missing:
        choice = Choice(spec=engine.replace(" ", "=="), cache=args.cache, path=args.sglang_src)
        progress = Progress(sys.stderr)
        try:
            with Engines(Choice() if engine == MODEL else choice) as engines:
                look_inside(folder, engines, args.policy, progress)
        finally:
            progress.clear()


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _aside(progress: Progress) -> Callable[[str], None]:
    """Says a line in the place of what is shown."""

    def say(line: str) -> None:
        progress.clear()
        _say(line)

    return say


def look_inside(folder: Path | None, engines: Engines, policy: str | None, progress: Progress) -> None:
    """Let the report show what lay in memory; without that it is shorter, and that is said."""
    if folder is None:
        return
    from sim.retrace import retrace

    try:
        retrace(folder, engines, policy, progress.watch(f"looking inside {folder.name}"))
    except InputError as error:
        from reports import lacking

        progress.clear()
        _say(f"{folder}: there will be nothing of {', '.join(lacking(folder)[1])}: {error}")


def export(args: Namespace) -> int:
    """Runs in the formats of other tools."""
    exporting: Any = import_module("reports.export")

    def write() -> None:
        exporting.needed(args.to)
        for folder, outcome in exporting.outcomes(args.dir):
            if (folder / "lives.jsonl").is_file() and not exporting.has_lives(folder):
                _look_again(folder, outcome.engine, args)
        with waiting(sys.stderr, f"exporting {args.dir}") as progress:
            for path in exporting.export(args.dir, args.to, args.out, _aside(progress)):
                progress.clear()
                print(path)

    _reported(write)
    return 0


def log(args: Namespace) -> int:
    """Read the log of a running server; 1 if something is found in it."""
    command: Any = import_module("reports.logs.command")
    during = waiting(sys.stderr, f"reading {args.file}")
    status: int = _reported(command.log, args.file, args.out, json=args.json, during=during)
    return status


def build_report(paths: list[Path], out: Path | None) -> Path:
    """Write report.html and its figures; gives its path."""
    from reports import build

    page: Path = _reported(build, paths, out, os.cpu_count() or 1)
    return page


def _reported(do: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What reports complain of is the user's to mend."""
    from reports import ReportError

    try:
        return do(*given, **named)
    except ReportError as error:
        raise InputError(str(error)) from error
