"""The figures of what lay in memory, from the files that are made by looking inside a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from reports.data import Run
from reports.lens import lens_figure
from reports.lives import read_deeds, read_lives
from reports.log import events_at
from reports.moments import Moment
from reports.rows import names_in
from reports.sessions import sessions_figure
from reports.slotmap import slotmap_figure
from reports.slots import read_slots
from reports.sweep import badness

_FILES = {"slots.npz": "the owners of the slots", "lives.jsonl": "the sessions", "moments.json": "the rows"}
_LENS = (
    "The row of whom the worst verdict names, after each event around its cause: what the tree owns, what is private,"
    " what is only reserved. At the right its cursors. A frame stands where a position names a slot of the cause."
)
CAPTIONS = {
    "slots": "Every slot over time, in the colour of its owner's account; what the verdicts name is framed.",
    "sessions": "What each session and each request without one was doing, and what was done to it.",
    "row": _LENS,
}
"""Of each kind of figure what it shows, in the order of the page."""


class Inside(NamedTuple):
    """A figure, what kind it is, and what it shows in a few words."""

    kind: str
    figure: Figure
    label: str


def missing(folder: Path, damaged: Collection[str]) -> list[str]:
    """What cannot be shown, and for want of which file."""
    lacks = dict.fromkeys(damaged, " is damaged")
    lacks |= {name: "" for name in _FILES if not (folder / name).is_file()}
    return [f"{what} ({name}{lacks[name]})" for name, what in _FILES.items() if name in lacks]


def inside_figures(run: Run) -> Iterator[Inside]:
    """One figure after the other, each only if its file is there and tells something."""
    maps = {} if "slots.npz" in run.damaged else read_slots(run.folder / "slots.npz")
    if maps:
        yield Inside("slots", slotmap_figure(run, maps), "owners of the slots over time")
    lives = [] if "lives.jsonl" in run.damaged else read_lives(run.folder / "lives.jsonl")
    if lives:
        deeds = read_deeds(run.folder)
        yield Inside("sessions", sessions_figure(run, lives, deeds), "sessions and requests over time")
    moment = worst_moment(run)
    if moment is not None:
        events = {event["event"]: event for event in events_at(run.folder, {step.event for step in moment.steps})}
        yield Inside("row", lens_figure(run, moment, events), "the row of a verdict around its cause")


def worst_moment(run: Run) -> Moment | None:
    """The cause of the worst verdict of those whose rows are told; a page steps through the others."""
    verdicts = run.outcome.verdicts

    def how_bad(moment: Moment) -> int:
        return max((badness(verdicts[n].verdict) for n in moment.verdicts if n < len(verdicts)), default=-1)

    return max((moment for moment in run.moments if names_in(moment)), key=how_bad, default=None)
