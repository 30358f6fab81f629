"""One case on both sides: the first operation after which they are not equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from sim.cases.case import Case
from sim.cases.matrix import Cell
from sim.config import RunConfig
from sim.conform.sides import Look, Model, Side
from sim.engines.layout import differences
from sim.engines.marks import Crash, Mark, Timed
from sim.engines.protocol import Snapshot, StepReport


@dataclass(kw_only=True)
class Outcome:
    """What one case came to."""

    seed: int
    cell: Cell
    operations: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    length: int = 0
    cut: bool = False
    differs_at: int | None = None


def play_case(case: Case, model: Model, other: Side) -> Outcome:
    """Play it on both."""
    other.post(case.config, case.actions)
    played = model.play(case.config, case.actions)
    theirs = other.collect()
    return Outcome(
        seed=case.seed, cell=case.cell, operations=played.operations, events=played.events, length=len(played.marks),
        cut=played.cut, differs_at=parts_at(played.marks, theirs, cut=played.cut),
    )  # fmt: skip


def differs(config: RunConfig, actions: Sequence[Timed], model: Model, other: Side) -> int | None:
    """The index of the first operation after which the sides differ, if they do."""
    other.post(config, actions)
    played = model.play(config, actions)
    return parts_at(played.marks, other.collect(), cut=played.cut)


def parts_at(ours: Sequence[Mark], theirs: Sequence[Mark], *, cut: bool = False) -> int | None:
    """Where two lists of marks part; after a cut ours say nothing more."""
    for at, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if isinstance(mine, Crash) and isinstance(other, Crash):
            if mine.kind != other.kind:
                return at
        elif mine != other:
            return at
    if len(ours) == len(theirs) or (cut and len(ours) < len(theirs)):
        return None
    return min(len(ours), len(theirs))


def explain(config: RunConfig, actions: Sequence[Timed], model: Side, other: Side) -> list[str]:
    """What differs after the last of these operations, a line each: ours | theirs."""
    mine, theirs = model.look(config, actions), other.look(config, actions)
    return list(_lines(mine, theirs)) or ["nothing differs when it is played again: the release is not deterministic"]


def _lines(mine: Look, theirs: Look) -> list[str]:
    if mine.crash is not None or theirs.crash is not None:
        if mine.crash and theirs.crash and mine.crash.kind == theirs.crash.kind:
            return []
        return [f"crash: {_word(mine.crash)} | {_word(theirs.crash)}"]
    lines = _answers(mine, theirs)
    if mine.snapshot is not None and theirs.snapshot is not None:
        lines += _snapshots(mine.snapshot, theirs.snapshot)
    if mine.layout is not None and theirs.layout is not None:
        lines += differences(mine.layout, theirs.layout)
    return lines


def _word(crash: Crash | None) -> str:
    if crash is None:
        return "goes on"
    where = f" at {' < '.join(reversed(crash.frames))}" if crash.frames else ""
    return f"{crash.kind}: {crash.message[:200]}{where}"


def _answers(mine: Look, theirs: Look) -> list[str]:
    lines = []
    if mine.answer[0] != theirs.answer[0]:
        lines.append(f"sessions closed by the reaper: {mine.answer[0]} | {theirs.answer[0]}")
    one, other = mine.answer[1], theirs.answer[1]
    if one is not None and other is not None:
        for name, a, b in zip(StepReport._fields, one, other, strict=True):
            if a != b:
                lines.append(f"report, {name}: {a} | {b}")
    return lines


def _snapshots(mine: Snapshot, theirs: Snapshot) -> list[str]:
    lines = []
    for entry in fields(Snapshot):
        a, b = getattr(mine, entry.name), getattr(theirs, entry.name)
        if a == b:
            continue
        if entry.name == "sessions":
            named = {s.session: s for s in a}, {s.session: s for s in b}
            if list(named[0]) != list(named[1]):
                lines.append(f"sessions: {list(named[0])} | {list(named[1])}")
            both = [name for name in named[0] if name in named[1]]
            lines += [
                f"session {name}: {named[0][name]} | {named[1][name]}"
                for name in both if named[0][name] != named[1][name]
            ]  # fmt: skip
        else:
            lines.append(f"{entry.name}: {a} | {b}")
    return lines
