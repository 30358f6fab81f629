"""What a campaign has come to: the findings, and what occurred. The same for the same seeds, on any machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from sim.cases.kinds import OPERATIONS
from sim.cases.shrink import lumps
from sim.fuzz.campaign import Made, Plan, Tally
from sim.fuzz.faults import Fault
from sim.fuzz.found import Found
from sim.fuzz.leave import Left
from sim.fuzz.occurred import absent

WIDTH = 100
_OURS = "please report it with this line"


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A finding of which there is only the case as it was drawn: the campaign was stopped, or its process died."""

    found: Found
    left: Left


def announced(found: Found) -> str:
    """One line for a finding, before it is made small."""
    fault = found.fault
    return f"{found.origin}: {fault.verdict} {found.size:+d} in pool {fault.pool}: {fault.cause}"


def missing(plan: Plan, tally: Tally) -> list[str]:
    """The kinds of operations and events that never occurred, of those that can be told."""
    return absent(tally.operations, tally.events, told=plan.subject.choice.real)


def lines(plan: Plan, tally: Tally, findings: Sequence[Made], drawn: Sequence[Drawn] = ()) -> Iterator[str]:
    """The whole report."""
    yield ""
    yield f"fuzzed {plan.subject.title}"
    last = plan.first_seed + tally.cases - 1
    yield (
        f"seeds {plan.first_seed} to {last}: {tally.cases:,} cases, {tally.iterations:,} iterations, each checked; "
        f"{_count(tally.faulty, 'case')} with faults"
    )
    yield ""
    own = [made for made in findings if not made.small.before]
    after = [made for made in findings if made.small.before]
    many = len(own) + len(drawn)
    yield f"{_count(many, 'fault')} found" if many else "nothing found"
    for number, made in enumerate(own, 1):
        yield from _finding(number, made, tally.times)
    for number, one in enumerate(drawn, len(own) + 1):
        yield from _as_drawn(number, one, tally.times)
    if after:
        yield ""
        yield f"{_count(len(after), 'fault')} seen only after another one, from which it may follow"
        for number, made in enumerate(after, many + 1):
            yield from _finding(number, made, tally.times)
    if tally.known:
        yield ""
        yield "known, and accepted"
        for fault, count in sorted(tally.known.items(), key=lambda item: (-item[1], item[0])):
            yield from wrap(f"{count} × {fault}", WIDTH, initial_indent="  ", subsequent_indent="      ")
    yield ""
    yield from _occurred(plan, tally)
    for text in (*tally.lost, *tally.ours):
        yield f"a fault of kvledger itself: {text}; {_OURS}"


def summary(plan: Plan, tally: Tally, findings: Sequence[Made], drawn: Sequence[Drawn] = ()) -> dict[str, Any]:
    """The same as data."""
    return {
        "fuzzed": plan.subject.title,
        "first_seed": plan.first_seed,
        "cases": tally.cases,
        "iterations": tally.iterations,
        "findings": [*(_entry(tally, made) for made in findings), *(_entry_as_drawn(tally, one) for one in drawn)],
        "known": [{**asdict(fault), "cases": count} for fault, count in sorted(tally.known.items())],
        "operations": dict(sorted(tally.operations.items())),
        "events": dict(sorted(tally.events.items())),
        "did_not_occur": missing(plan, tally),
    }


def _entry(tally: Tally, made: Made) -> dict[str, Any]:
    small = made.small
    return {
        **asdict(small.fault),
        "size": small.own.verdict.size,
        "cases": tally.times[small.fault],
        "first": small.origin,
        "operations": small.operations,
        "drawn": small.drawn,
        "after": [asdict(fault) for fault in small.before],
        "fixed_by": list(small.fixed_by),
        "folder": None if made.left is None else made.left.folder.name,
    }


def _entry_as_drawn(tally: Tally, one: Drawn) -> dict[str, Any]:
    found, operations = one.found, len(lumps(one.found.case.actions))
    return {
        **asdict(found.fault),
        "size": found.size,
        "cases": tally.times[found.fault],
        "first": found.origin,
        "operations": operations,
        "drawn": operations,
        "after": [],
        "fixed_by": [],
        "folder": one.left.folder.name,
    }


def _as_drawn(number: int, one: Drawn, times: Counter[Fault]) -> Iterator[str]:
    fault = one.found.fault
    head = f"{number}  {fault.verdict} {one.found.size:+d} in pool {fault.pool}: {fault.cause}"
    yield from wrap(head, WIDTH, initial_indent="  ", subsequent_indent="     ")
    yield f"     {_count(times[fault], 'case')}, the first {one.found.origin}; not made small"
    yield f"     {one.left.command}"


def _finding(number: int, made: Made, times: Counter[Fault]) -> Iterator[str]:
    small, left = made.small, made.left
    fault, own = small.fault, small.own.verdict
    head = f"{number}  {fault.verdict} {own.size:+d} in pool {fault.pool}: {fault.cause}"
    yield from wrap(head, WIDTH, initial_indent="  ", subsequent_indent="     ")
    cases = f"{_count(times[fault], 'case')}, the first {small.origin}"
    length = f"{_count(small.operations, 'operation')} (drawn: {small.drawn})"
    yield f"     {cases}; smallest: {length}"
    for other in small.before[:1]:
        yield from wrap(f"after {other}", WIDTH, initial_indent="     ", subsequent_indent="       ")
    if small.fixed_by:
        yield f"     goes away with {' or '.join(map(str, small.fixed_by))}"
    if left is not None:
        yield f"     {left.command}"
    if left is not None and left.problem is not None:
        yield f"     {left.problem}"


def _occurred(plan: Plan, tally: Tally) -> Iterator[str]:
    yield "what occurred"
    kinds = {**{k: tally.operations[k] for k in OPERATIONS}, **tally.events}
    often = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} {count:,}" for name, count in often if count]
    yield from wrap(" · ".join(shown), WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    absent = missing(plan, tally)
    if absent:
        yield from wrap(
            f"did not occur: {', '.join(absent)}", WIDTH, initial_indent="  ", subsequent_indent="    ",
            break_on_hyphens=False,
        )  # fmt: skip
    if plan.subject.choice.real:
        yield "  (a real release answers; what it does inside is not counted)"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
