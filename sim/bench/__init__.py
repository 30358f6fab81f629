"""`kvledger bench`: what things cost, each as a ratio against a reference measured in the same run."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict

from sim.bench.cases import CASES, Figure


def main(json: bool = False) -> int:
    """Measure everything; 1 if a ratio is above its bound."""
    figures: list[Figure] = []
    if not json:
        print(f"{'what':<58}{'ratio':>9}{'bound':>9}  {'':4}for orientation")
    for case in CASES:
        for figure in case():
            figures.append(figure)
            if not json:
                print(figure.line(), flush=True)
    if json:
        print(json_module.dumps([asdict(figure) | {"holds": figure.holds} for figure in figures], indent=1))
    return 0 if all(figure.holds for figure in figures) else 1
