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

if TYPE_CHECKING:
    from reports.data import Outcome
    from sim.engines.select import Engines
    from sim.progress import Progress


def report(args: Namespace) -> int:
    """Figures and one page for what runs have left; what an old folder lacks is looked up by playing it again."""
    from sim.engines.select import MODEL, Choice, Engines
    from sim.progress import Progress
    from sim.retrace import looked_inside

    progress = Progress(sys.stderr)
    try:
        for folder, outcome in _runs(args.dirs):
            engine = outcome.engine
            if outcome.broken_off is not None:
                print(f"{folder}: the run was broken off; shown up to event {outcome.events}", file=sys.stderr)
            if not looked_inside(folder):
                choice = Choice(spec=engine.replace(" ", "=="), cache=args.cache, path=args.sglang_src)
                with Engines(Choice() if engine == MODEL else choice) as engines:
                    look_inside(folder, engines, args.policy, progress)
    finally:
        progress.clear()
    print(build_report(args.dirs, args.out))
    return 0


def _runs(paths: list[Path]) -> list[tuple[Path, Outcome]]:
    """The folders of the runs that these paths name, each with what it came to."""
    from reports import runs

    found: list[tuple[Path, Outcome]] = _reported(runs, paths)
    return found


def look_inside(folder: Path | None, engines: Engines, policy: str | None, progress: Progress) -> None:
    """Let the report show what lay in memory; without that it is shorter, and that is said."""
    if folder is None:
        return
    from sim.retrace import retrace

    try:
        retrace(folder, engines, policy, progress.watch(f"looking inside {folder.name}"))
    except InputError as error:
        progress.clear()
        print(f"{folder}: the report will not show what lay in memory: {error}", file=sys.stderr)


def export(args: Namespace) -> int:
    """Runs in the formats of other tools."""
    exporting: Any = import_module("reports.export")

    def write() -> None:
        for path in exporting.export(args.dir, args.to, args.out, lambda line: print(line, file=sys.stderr)):
            print(path)

    _reported(write)
    return 0


def log(args: Namespace) -> int:
    """Read the log of a running server; 1 if something is found in it."""
    command: Any = import_module("reports.logs.command")
    status: int = _reported(command.log, args.file, args.out, json=args.json)
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
