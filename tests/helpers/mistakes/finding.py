"""Plays seeds until a mistake shows: the release's marks are asked for once, whatever the number of mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from helpers.mistakes.base import Mistake

from sim.conform.cases import draw_case
from sim.conform.compare import parts_at
from sim.conform.sides import Model, Side
from sim.conform.targets import parse
from sim.engines.marks import Mark

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
        self._marks: dict[tuple[str, int], list[Mark]] = {}
        self._sound: dict[tuple[str, int], bool] = {}

    def marks(self, target: str, seed: int) -> list[Mark]:
        """What the release answers."""
        known = self._marks.get((target, seed))
        if known is None:
            side, case = self._sides(target), draw_case(seed)
            side.post(case.config, case.actions)
            known = self._marks[target, seed] = side.collect()
        return known

    def shows(self, mistake: Mistake | None, target: str, seed: int) -> bool:
        """Whether the model, with this mistake, differs on this seed."""
        case, theirs = draw_case(seed), self.marks(target, seed)
        model = Model(parse(target))
        if mistake is None:
            played = model.play(case.config, case.actions)
        else:
            with mistake.made():
                played = model.play(case.config, case.actions)
        return parts_at(played.marks, theirs, cut=played.cut) is not None

    def sound(self, target: str, seed: int) -> bool:
        """Whether the model, as it is, equals the release on this seed."""
        if (target, seed) not in self._sound:
            self._sound[target, seed] = not self.shows(None, target, seed)
        return self._sound[target, seed]

    def find(self, mistake: Mistake, seeds: Iterable[int]) -> Found:
        """The first of these seeds that shows it; seeds on which the model itself differs count for nothing."""
        cases = 0
        for seed in seeds:
            cases += 1
            if self.shows(mistake, mistake.on, seed) and self.sound(mistake.on, seed):
                return Found(mistake=mistake, seed=seed, cases=cases)
        return Found(mistake=mistake, seed=None, cases=cases)
