"""`make conform-mistakes`: finds every mistake afresh, and prints after how many cases each was found."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import torch
from helpers.mistakes import MISTAKES
from helpers.mistakes.finding import SEEDS, Finder, Found

from sim.cli import cache_folder
from sim.conform.pairs import start_real
from sim.conform.sides import Real
from sim.conform.targets import parse
from sim.engines.sglang.source import find_source
from sim.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """0 if all were found."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=500, help="how many cases each may take")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--only", default="", help="only mistakes whose title has this in it")
    parser.add_argument("--record", action="store_true", help=f"write the seeds to {SEEDS.name}, which the tests play")
    parser.add_argument("--source", action="append", default=[], metavar="VERSION=PATH")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    paths = dict(text.split("=", 1) for text in args.source)
    sides: dict[str, Real] = {}

    def side(target: str) -> Real:
        if target not in sides:
            version = parse(target).version
            path = Path(paths[version]) if version in paths else None
            source = find_source(f"sglang=={version}", path=path, cache=cache_folder())
            sides[target] = start_real(parse(target), source)
        return sides[target]

    finder = Finder(side)
    found: list[Found] = []
    try:
        print("| mistake | in | release | cases until found |\n|---|---|---|---|")
        for mistake in [m for m in MISTAKES if args.only in m.title]:
            result = finder.find(mistake, range(args.seed, args.seed + args.cases))
            found.append(result)
            count = str(result.cases) if result.seed is not None else f"NOT FOUND in {result.cases}"
            print(f"| {mistake.title} | `{mistake.place}.{mistake.name}` | {mistake.on} | {count} |", flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        for real in sides.values():
            real.end()
    if args.record:
        SEEDS.write_text("".join(f"{f.mistake.key} {f.seed}\n" for f in found if f.seed is not None), encoding="ascii")
    missed = [f for f in found if f.seed is None]
    most = max(f.cases for f in found)
    print(f"\n{len(found) - len(missed)} of {len(found)} mistakes found, at most {most} cases each")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
