"""Plays seeds until a mistake shows: the release's marks are asked for once, whatever the number of mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from helpers.mistakes.base import Mistake

from sim.cases.case import Case, draw_case
from sim.conform.compare import parts_at
from sim.conform.sides import Model, Side
from sim.conform.targets import parse
from sim.engines.marks import Mark

Played: TypeAlias = tuple[str, tuple[str, ...], int]
SEEDS = Path(__file__).with_name("seeds.txt")


@dataclass(frozen=True, kw_only=True)
class Found:
    """The first seed that shows a mistake, and how many cases it took."""

    mistake: Mistake
    seed: int | None
    cases: int


class Finder:
    """The release's answers to seeds, kept."""

    def __init__(self, sides: Callable[[str], Side]) -> None:
        self._sides = sides
        self._marks: dict[Played, list[Mark]] = {}
        self._sound: dict[Played, bool] = {}

    def marks(self, target: str, case: Case) -> list[Mark]:
        """What the release answers."""
        known = self._marks.get((target, case.pools, case.seed))
        if known is None:
            side = self._sides(target)
            side.post(case.config, case.actions)
            known = self._marks[target, case.pools, case.seed] = side.collect()
        return known

    def shows(self, mistake: Mistake, seed: int) -> bool:
        """Whether the model, with this mistake, differs on this seed, and only with it."""
        case = draw_case(seed, pools=mistake.pools)
        return self._differs(mistake, mistake.on, case) and self.sound(mistake.on, case)

    def _differs(self, mistake: Mistake | None, target: str, case: Case) -> bool:
        theirs, model = self.marks(target, case), Model(parse(target))
        if mistake is None:
            played = model.play(case.config, case.actions)
        else:
            with mistake.made():
                played = model.play(case.config, case.actions)
        return parts_at(played.marks, theirs, cut=played.cut) is not None

    def sound(self, target: str, case: Case) -> bool:
        """Whether the model, as it is, equals the release on this case."""
        played = (target, case.pools, case.seed)
        if played not in self._sound:
            self._sound[played] = not self._differs(None, target, case)
        return self._sound[played]

    def find(self, mistake: Mistake, seeds: Iterable[int]) -> Found:
        """The first of these seeds that shows it; seeds on which the model itself differs count for nothing."""
        cases = 0
        for seed in seeds:
            cases += 1
            if self.shows(mistake, seed):
                return Found(mistake=mistake, seed=seed, cases=cases)
        return Found(mistake=mistake, seed=None, cases=cases)
