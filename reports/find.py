"""Which runs a list of paths means: single runs, scenario folders, whole output folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from reports.data import Run, is_run, read_run
from reports.errors import ADVICE, ReportError
from reports.lines import Say


@dataclass(frozen=True)
class Scenario:
    """The runs that belong in one frame."""

    name: str
    runs: tuple[Run, ...]

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that any of the runs has."""
        return tuple(dict.fromkeys(pool for run in self.runs for pool in run.pools))

    def on(self, pool: str) -> tuple[Run, ...]:
        """The runs that have this pool, looked at from it."""
        return tuple(run.on(pool) for run in self.runs if pool in run.pools)


def find(paths: Sequence[Path]) -> tuple[Scenario, ...]:
    """Read every run under these paths, grouped by scenario, in the order given."""
    runs = [read_run(folder) for folder in run_folders(paths)]
    if not runs:
        raise ReportError("no folder was given; name one that `kvledger run --out` wrote")
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.scenario, []).append(run)
    return tuple(Scenario(name, _told_apart(group)) for name, group in groups.items())


def run_folders(paths: Sequence[Path], say: Say | None = None) -> list[Path]:
    """The folders of all runs under these paths; beside them, runs that were killed are told."""
    found = []
    for path in paths:
        here = folders(path, lambda folder: is_run(folder) or _was_killed(folder), "verdicts.json and series.npz")
        killed = [_killed(folder) for folder in here if not is_run(folder)]
        if len(killed) == len(here):
            raise ReportError(killed[0])
        if say is not None:
            for line in killed:
                say(line)
        found += [folder for folder in here if is_run(folder)]
    return found


def _was_killed(folder: Path) -> bool:
    """Whether a run began to write here and could not say what it came to."""
    begun = all((folder / name).is_file() for name in ("events.jsonl", "ops.jsonl"))
    return begun and not any((folder / name).is_file() for name in ("verdicts.json", "series.npz"))


def _killed(folder: Path) -> str:
    ops = folder / "ops.jsonl"
    again = f"play it again with: kvledger replay {quote(str(ops))} --out DIR2" if ops.stat().st_size else ADVICE
    return f"{folder}: this run was killed before it could write its verdicts; {again}"


def folders(path: Path, holds: Callable[[Path], bool], what: str) -> list[Path]:
    """The folders that hold a run, at a path or at most two levels below it; `what` is what makes one."""
    if not path.exists():
        raise ReportError(f"{path}: there is no such folder; name one that `kvledger run --out` wrote")
    if holds(path):
        return [path]
    below = sorted(child for child in path.iterdir() if child.is_dir()) if path.is_dir() else []
    found = [child for child in below if holds(child)]
    scenarios = {child: [c for c in sorted(child.iterdir()) if c.is_dir() and holds(c)] for child in below}
    groups = ([found] if found else []) + [group for group in scenarios.values() if group]
    if not groups:
        lacks = f"neither it nor a folder in it has {what}"
        raise ReportError(f"{path}: not a run: {lacks}; run a scenario with --out first")
    return [folder for group in groups for folder in _in_order(group)]


def _in_order(group: list[Path]) -> list[Path]:
    """Variants in the order in which the scenario names them, as far as the output folder tells it."""
    scenario = group[0].parent
    names: list[str] = []
    for path in (scenario.parent / "verdicts.json", scenario / "verdicts.json"):
        if not path.is_file():
            continue
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError):
            continue
        documents = read if isinstance(read, list) else [read]
        for document in documents:
            if isinstance(document, dict) and {f.name for f in group} & set(document.get("variants", {})):
                names += [name for name in document["variants"] if name not in names]
    known = {name: place for place, name in enumerate(names)}
    last = len(known)
    return sorted(group, key=lambda f: (known.get(f.name, last), f.name != "before", f.name))


def _told_apart(runs: list[Run]) -> tuple[Run, ...]:
    """Runs of one variant from several output folders carry their folder in their name."""
    names = [run.variant for run in runs]
    return tuple(
        replace(run, variant=f"{run.variant} ({run.folder})") if names.count(run.variant) > 1 else run
        for run in runs
    )
