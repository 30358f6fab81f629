"""`kvledger fuzz`: plays a campaign, prints what it finds as it finds it, leaves a folder for each finding."""

from __future__ import annotations

import os
import secrets
import sys
from argparse import Namespace
from time import monotonic

from sim.engines.select import Choice
from sim.errors import InputError
from sim.fuzz.accept import load_accepted
from sim.fuzz.campaign import Campaign, Made, Plan
from sim.fuzz.found import Found
from sim.fuzz.kept import kept_cases
from sim.fuzz.leave import leave_drawn
from sim.fuzz.profiles import PROFILES, Profile
from sim.fuzz.report import Drawn, announced, lines, missing, summary
from sim.fuzz.subject import DEFAULT_RELEASE, Subject
from sim.progress import Progress
from sim.record import prepare, write_whole


def fuzz(args: Namespace, choice: Choice) -> int:
    """0: nothing found; 1: found; 4: a fault of ours."""
    profile = PROFILES[args.profile]
    plan = _plan(args, choice, profile)
    prepare(args.out)
    print(f"fuzzing {plan.subject.title}, {_extent(plan)}, from seed {plan.first_seed}", flush=True)
    run = _Run(plan)
    try:
        run.all()
    except KeyboardInterrupt:
        run.progress.clear()
        print("\nstopped; what has been found so far:")
        run.conclude()
        raise
    run.conclude()
    absent = missing(plan, run.campaign.tally)
    if run.campaign.tally.ours or run.campaign.tally.lost:
        return 4
    if any(not made.small.before for made in run.findings):
        return 1
    if profile.strict and absent:
        print(f"--profile {args.profile}: {len(absent)} kinds did not occur; play more cases, or see why they cannot")
        return 1
    return 0


class _Run:
    """One campaign on its way: findings are printed and written at once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.campaign = Campaign(plan)
        self.findings: list[Made] = []
        self._drawn: list[Drawn] = []
        self.progress = Progress(sys.stderr)
        self._begun = monotonic()

    def all(self) -> None:
        """Play the whole plan."""
        for news in self.campaign.run():
            self.progress.clear()
            if isinstance(news, Found):
                self._found(news)
            elif news is not None:
                self.findings.append(news)
            tally = self.campaign.tally
            rate = tally.iterations / max(monotonic() - self._begun, 0.001)
            self.progress.show(f"{tally.cases:,} cases, {rate:,.0f} iterations/s, {len(tally.times)} faults")
        self.progress.clear()

    def _found(self, found: Found) -> None:
        assert self.plan.out is not None, "a command writes somewhere"
        # Written before it is printed: what is printed is never lost.
        left = leave_drawn(self.plan.subject, found, found.folder(self.plan.out))
        self._drawn.append(Drawn(found=found, left=left))
        print(announced(found), flush=True)
        if left.problem is not None:
            print(f"  {left.problem}", flush=True)

    def conclude(self) -> None:
        """The report."""
        made = {made.small.fault for made in self.findings}
        rest = [drawn for drawn in self._drawn if drawn.found.fault not in made]
        for line in lines(self.plan, self.campaign.tally, self.findings, rest):
            print(line)
        assert self.plan.out is not None, "a command writes somewhere"
        write_whole(self.plan.out / "fuzz.json", summary(self.plan, self.campaign.tally, self.findings, rest))


def _plan(args: Namespace, choice: Choice, profile: Profile) -> Plan:
    subject = _subject(args, choice)
    subject.check()
    seed = args.seed
    if seed is None:
        seed = secrets.randbelow(1 << 31) if profile.fresh else 0
    minutes = profile.minutes if args.minutes is None else args.minutes
    cases = profile.cases
    if args.max_examples is not None:
        cases, minutes = args.max_examples, args.minutes
    return Plan(
        subject=subject, first_seed=seed, cases=cases, minutes=minutes, attempts=profile.attempts,
        jobs=args.jobs or os.cpu_count() or 1, accepted=load_accepted(args.accept), only=frozenset(args.only),
        kept=kept_cases(args.regressions, args.out), out=args.out,
    )  # fmt: skip


def _subject(args: Namespace, choice: Choice) -> Subject:
    if choice.real and args.release is not None:
        raise InputError(f"--release: {choice.spec} is the release that it is; leave --release out, or --engine")
    return Subject(
        release=args.release or DEFAULT_RELEASE, revert=tuple(sorted(set(args.revert))),
        add=tuple(sorted(set(args.add))), policy=args.policy, choice=choice,
    ).at_home()  # fmt: skip


def _extent(plan: Plan) -> str:
    length = f"{plan.cases:,} cases" if plan.minutes is None else f"{plan.minutes:g} minutes"
    return f"{length} on {plan.jobs} process{'' if plan.jobs == 1 else 'es'}"
