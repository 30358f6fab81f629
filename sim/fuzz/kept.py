"""Cases found before: the scenarios of operations in a folder of regressions, and in what an earlier campaign left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from sim.cases.case import Case
from sim.errors import InputError
from sim.folders import scenario_files
from sim.fuzz.found import Kept
from sim.scenario import ScenarioError, load
from sim.scenario.model import Scenario


def kept_cases(regressions: Path | None, out: Path) -> tuple[Kept, ...]:
    """Every variant of every scenario of operations, in the order of their paths, none twice."""
    paths: list[Path] = []
    if regressions is not None:
        if not regressions.is_dir():
            raise InputError(f"--regressions {regressions}: there is no such folder; write one that holds scenarios")
        paths += scenario_files(regressions)
    found: dict[tuple[object, ...], Kept] = {}
    for path in (*paths, *sorted(out.glob("*/scenario.yaml"))):
        try:
            for kept in _cases(path):
                found.setdefault((kept.case.config, kept.case.actions), kept)
        except InputError as error:
            if path in paths:
                raise
            # What an earlier campaign left must not stand in the way of this one.
            print(f"not played again: {error}", file=sys.stderr)
    return tuple(found.values())


def _cases(path: Path) -> Iterator[Kept]:
    for variant in _scenario(path).variants.values():
        if variant.operations:
            case = Case(seed=variant.config.seed, config=variant.config, actions=variant.operations)
            yield Kept(origin=str(path), case=case)


def _scenario(path: Path) -> Scenario:
    try:
        return load(path)
    except ScenarioError as error:
        raise InputError(str(error)) from error
