"""`python -m sim.conform`, which is what `make conform` runs: random cases on the model and on the real releases."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from sim.cases.matrix import KINDS, Pools
from sim.cli import cache_folder
from sim.conform.report import Tally, lines
from sim.conform.runner import Plan, run, total
from sim.conform.targets import ALL, Target, parse
from sim.engines.sglang.source import Source, find_source
from sim.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """0: no difference; 1: differences; 2: the input is wrong, or there is no source."""
    try:
        plan = _plan(_parser().parse_args(argv))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    tally = Tally(plan.targets, plan.pools)
    begun = monotonic()
    try:
        for target, verdicts in run(plan):
            tally.add(target, verdicts)
            _progress(tally, plan, monotonic() - begun)
    except InputError as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; what has been played so far:")
    print()
    print("\n".join(lines(tally)))
    last = plan.first_seed + max(tally.cases.values(), default=0) - 1
    print(f"seeds {plan.first_seed} to {last}, {monotonic() - begun:.0f} s with {plan.jobs} jobs")
    return 1 if tally.differences else 0


def _progress(tally: Tally, plan: Plan, seconds: float) -> None:
    done = tally.cases.total()
    whole = f" of {total(plan)}" if plan.minutes is None else f", {seconds / 60:.1f} minutes"
    text = f"{done}{whole} cases, {done / max(seconds, 0.001):.1f}/s, {len(tally.differences)} differences"
    end = "" if sys.stderr.isatty() else "\n"
    start = "\r\x1b[2K" if sys.stderr.isatty() else ""
    print(f"{start}{text}", end=end, file=sys.stderr, flush=True)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m sim.conform", description=__doc__)
    parser.add_argument("--cases", type=int, default=300, help="cases for each target (default 300)")
    parser.add_argument("--minutes", type=float, help="go on with fresh seeds for so long, in rounds of --cases")
    parser.add_argument("--seed", type=int, help="the first seed (default 0; with --minutes a fresh one)")
    parser.add_argument("--jobs", type=int, default=2, help="cases played at the same time (default 2)")
    parser.add_argument("--target", action="append", help="VERSION, or VERSION-FIX-FIX without these (default: all)")
    parser.add_argument(
        "--pools", default=",".join(KINDS), help="kinds of pools (default: all, %(default)s)"
    )
    parser.add_argument("--source", action="append", default=[], metavar="VERSION=PATH", help="an unpacked release")
    parser.add_argument("--out", type=Path, default=Path("out/conform"), help="where differences go")
    return parser


def _plan(args: Namespace) -> Plan:
    if args.cases < 1 or args.jobs < 1:
        raise InputError("--cases and --jobs are at least 1")
    targets = tuple(parse(text) for text in args.target) if args.target else ALL
    seed = args.seed
    if seed is None:
        seed = 0 if args.minutes is None else secrets.randbelow(1 << 31)
    return Plan(
        targets=targets, sources=_sources(targets, args.source), first_seed=seed, cases=args.cases,
        minutes=args.minutes, jobs=args.jobs, out=args.out, pools=_pools(args.pools),
    )  # fmt: skip


def _pools(text: str) -> tuple[Pools, ...]:
    chosen = tuple(kind for kind in KINDS if kind in text.split(","))
    unknown = [word for word in text.split(",") if word not in KINDS]
    if unknown or not chosen:
        raise InputError(f"--pools {text}: write some of {', '.join(KINDS)}, with commas between them")
    return chosen


def _sources(targets: Sequence[Target], given: Sequence[str]) -> dict[str, Source]:
    paths: dict[str, Path] = {}
    for text in given:
        version, equals, path = text.partition("=")
        if not equals:
            raise InputError(f"--source {text}: write VERSION=PATH, as 0.5.11=/where/it/is/unpacked")
        paths[version] = Path(path)
    return {
        version: find_source(f"sglang=={version}", path=paths.get(version), cache=cache_folder())
        for version in sorted({target.version for target in targets})
    }


if __name__ == "__main__":
    sys.exit(main())
