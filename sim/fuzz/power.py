"""`python -m sim.fuzz.power`, which is what `make fuzz-power` runs: how soon the fuzzer finds that a fix is missing.

Each fix is taken out of a release, one at a time, and the fuzzer is let loose with five seeds. What the release shows
with all its fixes is known beforehand and accepted; found is what goes away when the fix is put back.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from statistics import median
from time import monotonic

from policies.fixes import FIXES
from sim.engines.select import Choice
from sim.errors import InputError
from sim.fuzz.accept import Accepted, load_accepted
from sim.fuzz.campaign import Campaign, Made, Plan
from sim.fuzz.faults import Fault
from sim.fuzz.found import Found
from sim.fuzz.subject import Subject
from sim.setup import choose_release

SEEDS = 5
KNOWN = Path("scenarios/found/known-sglang-0.5.11.yaml")
AHEAD = (("clock", "reserved"),)
"""What 22900 is about: with every other clock the window stays behind the end of a turn, and nothing needs a cap."""
_APART = 1_000_000
_KNOWING = 3000
_SECONDS = 60.0
_GIVEN_UP = 2
"""Seeds that found nothing at all: the others are not tried."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A release with every fix that it has, or can be given."""

    release: str

    def subject(self, without: int | None = None, decide: tuple[tuple[str, str], ...] = ()) -> Subject:
        """It, or it without one of them."""
        bare = Subject(release=self.release, decide=decide, choice=Choice())
        missing = [number for number in bare.fixes() if FIXES[number].superseded_by is None]
        add = tuple(number for number in missing if number != without)
        revert = (without,) if without is not None and without not in missing else ()
        return Subject(release=self.release, revert=revert, add=add, decide=decide)

    def fixes(self) -> Iterator[int]:
        """The fixes that can be taken out of it."""
        for number, fix in sorted(FIXES.items()):
            if fix.superseded_by is None and _composes(self.subject(number)):
                yield number


def _composes(subject: Subject) -> bool:
    try:
        choose_release(subject.identity("fuzz"))
    except InputError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Search:
    """One seed's search for one fix: how many cases and seconds until it was found, and until it was small."""

    cases: int
    seconds: float
    small: float
    operations: int
    fault: Fault


def known(base: Base, jobs: int, decide: tuple[tuple[str, str], ...] = ()) -> Accepted:
    """What the whole release shows: the known faults that come with it, and whatever else a campaign finds in it."""
    accepted = load_accepted([KNOWN])
    subject = base.subject(decide=decide)
    return accepted.more(
        Campaign(Plan(subject=subject, first_seed=0, cases=_KNOWING, jobs=jobs, accepted=accepted)).unknown()
    )


def search(subject: Subject, fix: int, seed: int, accepted: Accepted, jobs: int) -> Search | None:
    """Look for the fault that shows without the fix; other faults that turn up are passed over."""
    begun = monotonic()
    plan = Plan(
        subject=subject, first_seed=seed * _APART, cases=0, minutes=_SECONDS / 60, jobs=jobs, accepted=accepted
    )
    campaign = Campaign(plan)
    found: dict[Fault, tuple[int, float]] = {}
    for news in campaign.run(at_once=True):
        if isinstance(news, Found):
            found[news.fault] = campaign.tally.cases, monotonic() - begun
        elif isinstance(news, Made) and fix in news.small.fixed_by:
            cases, seconds = found[news.small.fault]
            return Search(
                cases=cases, seconds=seconds, small=monotonic() - begun, operations=news.small.operations,
                fault=news.small.fault,
            )  # fmt: skip
    return None


def rows(bases: Sequence[Base], jobs: int, fixes: Sequence[int]) -> Iterator[str]:
    """The table, a line at a time."""
    yield "| release | without | found | cases | s to find | s until small | operations | as |"
    yield "|---|---|---:|---:|---:|---:|---:|---|"
    for base in bases:
        accepted = known(base, jobs)
        for fix in base.fixes():
            if fixes and fix not in fixes:
                continue
            yield row(base, fix, base.subject(fix), accepted, jobs)
        if not fixes or 22900 in fixes:
            yield row(base, 22900, base.subject(22900, AHEAD), known(base, jobs, AHEAD), jobs)


def row(base: Base, fix: int, subject: Subject, accepted: Accepted, jobs: int) -> str:
    """One fix: medians over the seeds."""
    made: list[Search | None] = []
    for seed in range(1, SEEDS + 1):
        made.append(search(subject, fix, seed, accepted, jobs))
        if made == [None] * _GIVEN_UP:
            break
    hits = [one for one in made if one is not None]
    name = f"{fix}, {subject.decide[0][0]}: {subject.decide[0][1]}" if subject.decide else str(fix)
    head = f"| {base.release} | {name} | {len(hits)} of {len(made)} |"
    if not hits:
        return f"{head} – | – | – | – | – |"
    mid = [median(getattr(one, key) for one in hits) for key in ("cases", "seconds", "small", "operations")]
    fault = sorted(one.fault for one in hits)[len(hits) // 2]
    return f"{head} {mid[0]:.0f} | {mid[1]:.1f} | {mid[2]:.1f} | {mid[3]:.0f} | {fault.verdict} in {fault.pool} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table as it grows."""
    parser = ArgumentParser(prog="python -m sim.fuzz.power", description=__doc__)
    parser.add_argument("--release", action="append", help="only this one (may be given again)")
    parser.add_argument("--fix", type=int, action="append", default=[], help="only this one (may be given again)")
    parser.add_argument("--jobs", type=int, default=cpu_count() or 1, help="processes (default: one per core)")
    args = parser.parse_args(argv)
    bases = [Base(release=name) for name in args.release or ("sglang-0.5.10", "sglang-0.5.11")]
    begun = monotonic()
    for line in rows(bases, args.jobs, args.fix):
        print(line, flush=True)
    print(f"\n{monotonic() - begun:.0f} s on {args.jobs} processes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
