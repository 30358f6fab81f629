"""Runs in the formats of other tools: traces for Perfetto, tables as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from reports.errors import ReportError
from reports.export.csvs import write_csv
from reports.export.parquet import write_parquet
from reports.export.perfetto import write_trace
from reports.export.source import find_sources, has_lives, outcomes, read_source, without_events
from reports.export.tables import Table, tables
from reports.export.whole import optional
from reports.lines import Say

_NEEDS = {"perfetto": "perfetto", "parquet": "pyarrow"}
_TRACE = "trace.perfetto-trace"
_TRACES = (".perfetto-trace", ".pftrace")
_TABLES: dict[str, Callable[[Table, Path], Path]] = {"csv": write_csv, "parquet": write_parquet}


def export(path: Path, to: str, out: Path | None, say: Say) -> Iterator[Path]:
    """Write the runs at a path in a format; name each file as it is done.

    Without `out` a trace lies in the folder of its run or scenario, tables in the folder `tables` of their run.
    """
    needed(to)
    folders = find_sources(path)
    for folder in without_events(path):
        say(f"{folder}: there is no events.jsonl; not exported")
    if to == "perfetto":
        yield from _traces(path, folders, out, say)
        return
    for folder in folders:
        source = read_source(folder, say)
        target = folder / "tables" if out is None else out / folder.relative_to(path)
        for table in tables(source):
            yield _TABLES[to](table, target)


def needed(to: str) -> None:
    """Whether what a format needs is installed."""
    if to in _NEEDS:
        optional(_NEEDS[to])


def _traces(path: Path, folders: list[Path], out: Path | None, say: Say) -> Iterator[Path]:
    """One trace for a run, or for all the variants of a scenario."""
    lacking = [folder for folder in folders if not has_lives(folder)]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        why = "lives.jsonl is damaged" if (lacking[0] / "lives.jsonl").is_file() else "there is no lives.jsonl"
        say(f"{lacking[0]}{more}: {why}; exported without the tracks of sessions and requests")
    groups: dict[Path, list[Path]] = {}
    for folder in folders:
        groups.setdefault(path if folder == path else folder.parent, []).append(folder)
    for group, members in groups.items():
        if out is None:
            target = group / _TRACE
        elif len(groups) == 1 and out.suffix in _TRACES:
            target = out
        else:
            target = out / group.relative_to(path) / _TRACE
        yield write_trace([read_source(folder, say) for folder in members], target)


__all__ = ["ReportError", "export", "has_lives", "needed", "outcomes"]
