"""Draws every figure once and writes it as SVG, as PNG and into the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from matplotlib.figure import Figure

from reports.difference import difference_figure
from reports.errors import ReportError
from reports.find import find
from reports.inside import inside_figures
from reports.overview import overview_figure
from reports.page import OVERVIEW, OVERVIEW_FROM, drawing_name, page
from reports.svg import inline_svg, save, svg_text
from reports.sweep import rows_of
from reports.terms import terms_figure
from reports.words import short_verdict

_PAGE = "report.html"


def write(paths: Sequence[Path], out: Path | None) -> Path:
    """Write report.html and figures/ beside it; return the page's path."""
    scenarios = find(paths)
    target = _target(paths, out)
    drawings: dict[str, str] = {}

    def draw(name: str, figure: Figure, label: str) -> None:
        document = svg_text(figure)
        save(figure, document, target.parent / "figures" / _file_name(name))
        drawings[name] = inline_svg(document, label)

    try:
        if len(scenarios) >= OVERVIEW_FROM:
            draw(OVERVIEW, overview_figure(rows_of(scenarios)), "verdicts by scenario and variant")
        for scenario in scenarios:
            for pool in scenario.pools:
                runs = scenario.on(pool)
                of = "" if pool == "full" else f" of pool {pool}"
                label = f"sum minus total and true loss over time{of}, variants of {scenario.name}"
                draw(drawing_name(scenario, pool=pool), difference_figure(runs), label)
                for run in runs:
                    label = f"five terms over time{of}, {run.variant}: {short_verdict(run.seen)}"
                    draw(drawing_name(scenario, run, pool), terms_figure(run, beside=runs), label)
            # Of many scenarios only what went wrong is looked into: a page must stay one that can be read.
            for run in (r for r in scenario.runs if len(scenarios) == 1 or r.outcome.verdicts):
                for kind, figure, label in inside_figures(run):
                    draw(drawing_name(scenario, run, kind=kind), figure, f"{label}, {run.variant}")
        target.write_text(page(scenarios, drawings), encoding="utf-8")
    except OSError as error:
        where = error.filename or target
        raise ReportError(f"{where}: cannot be written: {error.strerror}; choose another folder") from None
    return target


def _target(paths: Sequence[Path], out: Path | None) -> Path:
    if out is not None:
        return out if out.suffix == ".html" else out / _PAGE
    return (paths[0] if len(paths) == 1 else Path()) / _PAGE


def _file_name(name: str) -> str:
    """A name that any file system takes; what it changes, a checksum keeps apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name.replace("/", "-", 1))[:80].strip("-.")
    return plain if plain == name.replace("/", "-", 1) else f"{plain}-{crc32(name.encode()):08x}"
