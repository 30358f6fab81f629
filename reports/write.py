"""Draws every figure once and writes it as SVG, as PNG and into the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

from matplotlib.figure import Figure

from reports.difference import difference_figure
from reports.errors import ReportError
from reports.find import Scenario, find
from reports.inside import inside_figures
from reports.overview import overview_figure
from reports.page import OVERVIEW, OVERVIEW_FROM, drawing_name, page
from reports.svg import inline_svg, save, svg_text
from reports.sweep import rows_of
from reports.terms import terms_figure
from reports.words import pool_verdict

_PAGE = "report.html"


def write(paths: Sequence[Path], out: Path | None, jobs: int = 1) -> Path:
    """Write report.html and figures/ beside it, on so many processes; return the page's path."""
    scenarios = find(paths)
    target = _target(paths, out)
    folder = target.parent / "figures"
    drawings: dict[str, str] = {}
    try:
        if len(scenarios) >= OVERVIEW_FROM:
            overview = overview_figure(rows_of(scenarios))
            drawings[OVERVIEW] = _draw(folder, OVERVIEW, overview, "verdicts by scenario and variant")
        for drawn in _every(scenarios, folder, jobs):
            drawings |= drawn
        target.write_text(page(scenarios, drawings), encoding="utf-8")
    except OSError as error:
        where = error.filename or target
        raise ReportError(f"{where}: cannot be written: {error.strerror}; choose another folder") from None
    return target


def _every(scenarios: Sequence[Scenario], folder: Path, jobs: int) -> Iterator[dict[str, str]]:
    """The drawings of each scenario in turn."""
    many = len(scenarios) >= OVERVIEW_FROM
    draw = partial(_drawings, folder=folder, alone=len(scenarios) == 1, png=not many)
    if jobs == 1 or not many:
        yield from map(draw, scenarios)
        return
    # Started afresh: who calls may have threads.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as workers:
        yield from workers.map(draw, scenarios)


def _drawings(scenario: Scenario, *, folder: Path, alone: bool, png: bool) -> dict[str, str]:
    """Every figure of a scenario, for the page by its name."""
    made: dict[str, str] = {}

    def draw(name: str, figure: Figure, label: str) -> None:
        made[name] = _draw(folder, name, figure, label, png=png)

    for pool in scenario.pools:
        runs = scenario.on(pool)
        of = "" if pool == "full" else f" of pool {pool}"
        label = f"sum minus total and true loss over time{of}, variants of {scenario.name}"
        draw(drawing_name(scenario, pool=pool), difference_figure(runs), label)
        for run in runs:
            label = f"five terms over time{of}, {run.variant}: {pool_verdict(run)}"
            draw(drawing_name(scenario, run, pool), terms_figure(run, beside=runs), label)
    # Of many scenarios only what went wrong is looked into: a page must stay one that can be read.
    for run in (r for r in scenario.runs if alone or r.outcome.verdicts):
        for kind, figure, label in inside_figures(run):
            draw(drawing_name(scenario, run, kind=kind), figure, f"{label}, {run.variant}")
    return made


def _draw(folder: Path, name: str, figure: Figure, label: str, *, png: bool = True) -> str:
    """Write a figure as SVG, and as PNG where there are few; the same for the page."""
    document = svg_text(figure)
    save(figure, document, folder / _file_name(name), png=png)
    return inline_svg(document, label)


def _target(paths: Sequence[Path], out: Path | None) -> Path:
    if out is not None:
        return out if out.suffix == ".html" else out / _PAGE
    return (paths[0] if len(paths) == 1 else Path()) / _PAGE


def _file_name(name: str) -> str:
    """A name that any file system takes; what it changes, a checksum keeps apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name.replace("/", "-", 1))[:80].strip("-.")
    return plain if plain == name.replace("/", "-", 1) else f"{plain}-{crc32(name.encode()):08x}"
