"""The smallest case that shows a fault, what else it shows, and which fix would take the fault away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.cases.shrink import Shrinking, lumps
from sim.config import RunConfig
from sim.engines.marks import STEP, Timed
from sim.errors import InputError
from sim.fuzz.faults import Fault
from sim.fuzz.found import Found
from sim.fuzz.subject import Subject
from sim.fuzz.trial import Player, Seen
from sim.ledger.auditor import OurFault
from sim.ledger.verdicts import Verdict
from sim.scenario.loader import load_text
from sim.scenario.writer import scenario_text

_SECONDS = 300.0
"""Attempts bound the work, so that the same seed gives the same case anywhere; this is for what hangs."""


@dataclass(frozen=True, kw_only=True)
class Smallest:
    """A case made small. `before`: the faults that it shows before its own; `fixed_by`: fixes that take it away."""

    origin: str
    fault: Fault
    config: RunConfig
    actions: tuple[Timed, ...]
    seen: tuple[Seen, ...]
    verdicts: tuple[Verdict, ...]
    drawn: int
    attempts: int
    fixed_by: tuple[int, ...] = ()

    @property
    def operations(self) -> int:
        """How many there are, consecutive iterations counted as one."""
        return len(lumps(self.actions))

    @property
    def own(self) -> Seen:
        """Its own fault, as the case shows it."""
        return next(seen for seen in self.seen if seen.fault == self.fault)

    @property
    def before(self) -> tuple[Fault, ...]:
        """The faults that come first in it: what it shows may be what follows from them."""
        return tuple(seen.fault for seen in self.seen[: self.seen.index(self.own)])


def smallest(player: Player, found: Found, attempts: int) -> Smallest:
    """Make the case of what was found small; it shows the same fault."""
    case, fault = found.case, found.fault

    def shown(config: RunConfig, actions: Sequence[Timed]) -> int | None:
        if not actions:
            # What shows without anything being done is no scenario.
            return None
        try:
            seen = player.play(config, actions).shows(fault)
        except (InputError, OurFault):
            # A policy that raises, or a mistake of ours: something else, whatever it is.
            return None
        return None if seen is None else seen.at

    def loads(config: RunConfig) -> bool:
        return can_be_written(player.subject, config)

    shrinking = Shrinking(case.config, case.actions, shown, _SECONDS, attempts=attempts, accepts=loads)
    config, actions = shrinking.shrink()
    trial = player.play(config, actions)
    return Smallest(
        origin=found.origin, fault=fault, config=config, actions=trial.actions, seen=tuple(trial.seen),
        verdicts=trial.verdicts, drawn=len(lumps(case.actions)), attempts=shrinking.tried,
        fixed_by=tuple(_fixed_by(player.subject, config, actions, fault)),
    )  # fmt: skip


def can_be_written(subject: Subject, config: RunConfig) -> bool:
    """Whether a scenario can have this configuration, on this subject."""
    identity = subject.written("fuzz", config)
    try:
        text = scenario_text(name="fuzz", about="", identity=identity, config=config, actions=[(0.0, STEP)])
        load_text(text, "scenario.yaml")
    except ValueError:
        return False
    return True


def _fixed_by(subject: Subject, config: RunConfig, actions: Sequence[Timed], fault: Fault) -> list[int]:
    """The fixes with which the case shows nothing of this kind; asked of the model, also for a real release.

    A real release is seen from outside: the same fault may be told there in other words.
    """
    model = subject.twin()
    if model is None:
        return []

    def shows(it: Subject) -> bool:
        with Player(it) as player:
            seen = player.play(config, actions).seen
        return any(s.fault == fault or (subject.choice.real and _alike(s.fault, fault)) for s in seen)

    if not shows(model):
        return []
    return [number for number in model.fixes() if not shows(model.with_fix(number))]


def _alike(one: Fault, other: Fault) -> bool:
    return (one.verdict, one.pool) == (other.verdict, other.pool)
