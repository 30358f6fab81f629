"""`kvledger bench`: what things cost, each as a ratio against a reference measured in the same run."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from sim.bench.cases import CASES, WIDTH, Figure, Skipped
from sim.bench.lockstep import against


def main(cache: Path, json: bool = False) -> int:
    """Measure everything; 1 if a ratio is above its bound."""
    figures: list[Figure | Skipped] = []
    if not json:
        print(f"{'what':<{WIDTH}}{'ratio':>9}{'bound':>9}  {'':4}for orientation")
    cases: list[Callable[[], Iterator[Figure | Skipped]]] = [*CASES, partial(against, cache)]
    for case in cases:
        for figure in case():
            figures.append(figure)
            if not json:
                print(figure.line(), flush=True)
    if json:
        print(json_module.dumps([_to_json(figure) for figure in figures], indent=1))
    return 0 if all(isinstance(figure, Skipped) or figure.holds for figure in figures) else 1


def _to_json(figure: Figure | Skipped) -> dict[str, object]:
    return asdict(figure) if isinstance(figure, Skipped) else asdict(figure) | {"holds": figure.holds}
