"""What a reader is told in a sentence: outcomes and verdicts in plain words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.data import Cause, Outcome, Run, Verdict
from reports.numbers import count, signed
from reports.sweep import badness

_MEANING = {
    "false-alarm": "the books are off, the memory is fine",
    "leak": "slots are owned by nobody",
    "double-free": "slots were freed twice",
    "alias": "a slot has two owners, or is free and still in use",
    "silent": "a fault that the release's own checks cannot see",
    "corrupt": "a position does not hold what was written for it",
    "watermark": "a cursor is out of order",
    "stuck": "work waits and nothing can run",
    "crash": "the scheduler raised",
}
_OWNED = ("leak", "double-free", "alias", "silent")


def meaning(verdict: str) -> str:
    """What a kind of verdict means."""
    return _MEANING.get(verdict, "")


def short_verdict(outcome: Outcome) -> str:
    """A few words for a title: kinds with sizes, the worst first, or clean."""
    if not outcome.verdicts:
        if outcome.broken_off is not None:
            return "broken off"
        return "clean" if outcome.checks else "not audited"
    kinds: dict[str, int] = {}
    for verdict in sorted(outcome.verdicts, key=lambda verdict: -badness(verdict.verdict)):
        name = f"{verdict.verdict} {size_of(verdict)}" if verdict.size else verdict.verdict
        kinds[name] = kinds.get(name, 0) + 1
    words = [name if times == 1 else f"{name} ({count(times)}×)" for name, times in kinds.items()]
    return ", ".join(words[:3]) + (", …" if len(words) > 3 else "")


def pool_verdict(run: Run) -> str:
    """The same of the pool that is looked at: clean there is not clean."""
    return "nothing in this pool" if run.outcome.verdicts and not run.seen.verdicts else short_verdict(run.seen)


def sentence(outcome: Outcome) -> str:
    """The first thing that a report says of a variant."""
    if not outcome.verdicts and not outcome.checks:
        return f"not audited: nothing is known of {count(outcome.events)} events but that none crashed."
    if not outcome.verdicts and outcome.broken_off is not None:
        text = f"{outcome.broken_off}, after event {count(outcome.events)}"
        return f"{text}; up to there the books balance and nothing is lost."
    if not outcome.verdicts:
        return (
            f"clean: the books balance and nothing is lost, in all {count(outcome.events)} events"
            f" ({count(outcome.checks)} audits)."
        )
    first = worst_verdict(outcome.verdicts)
    what = _whose(first) or meaning(first.verdict)
    text = f"{_opening(first)}{_iteration(first)}"
    text += f": {what}." if what else "."
    if first.cause is not None:
        text += f" Cause: {first.cause.what}{_who(first.cause)};"
    else:
        text += " Cause unknown;"
    text += f" {detection(first)}."
    more = len(outcome.verdicts) - 1
    return text + (f" {count(more)} more verdict{'s' if more > 1 else ''}." if more else "")


def briefly(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """What was found in the variants of a scenario: the first with a kind of verdict, and the rest of its clause.

    Other variants with the same kind are named behind it.
    """
    kinds: dict[str, list[Run]] = {}
    for run in runs:
        verdicts = run.outcome.verdicts
        kinds.setdefault(worst_verdict(verdicts).verdict if verdicts else short_verdict(run.outcome), []).append(run)
    found = []
    for kind, (first, *others) in kinds.items():
        names = ", ".join(run.variant for run in others)
        likewise = f" (likewise {names})" if names else ""
        found.append((first.variant, f"{likewise}: {_in_brief(first.outcome) if first.outcome.verdicts else kind}"))
    return found


def worst_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst verdict, the first of those that are equally bad."""
    return max(verdicts, key=lambda verdict: badness(verdict.verdict))


def _in_brief(outcome: Outcome) -> str:
    verdict = worst_verdict(outcome.verdicts)
    what = _whose(verdict) or (verdict.cause.what if verdict.cause else meaning(verdict.verdict))
    more = len(outcome.verdicts) - 1
    return f"{_opening(verdict)}: {what}" + (f" ({count(more)} more verdict{'s' if more > 1 else ''})" if more else "")


def _opening(verdict: Verdict) -> str:
    """The kind, the size, where and since when; the scheduler raises in no pool."""
    size = f", {size_of(verdict)}" if verdict.size else ""
    where = {"rows": " in the rows"}.get(verdict.pool, f" in the {verdict.pool} pool")
    return f"{verdict.verdict}{size}{'' if verdict.verdict == 'crash' else where} since event {count(verdict.began)}"


def size_of(verdict: Verdict) -> str:
    """By how much something is off, with its sign; work that waits is so many requests."""
    if verdict.verdict == "stuck":
        return f"{count(verdict.size)} request{'' if verdict.size == 1 else 's'}"
    return signed(verdict.size)


def detection(verdict: Verdict) -> str:
    """Whether and when the release's own checks saw it."""
    if verdict.seen is None and verdict.verdict == "false-alarm":
        return "no check of the release looks at these books while they are off, so none raises the alarm"
    if verdict.seen is None:
        return "the release's own checks never see it"
    later = verdict.seen - verdict.began
    when = "in the same event" if later == 0 else f"{count(later)} event{'s' if later > 1 else ''} later"
    if verdict.detected_by == "crash":
        return f"a crash shows it {when}"
    return f"the release's {verdict.detected_by} sees it {when}"


def _whose(verdict: Verdict) -> str:
    """Which slots, and what they have become; empty where a verdict is not about single ones."""
    cause = verdict.cause
    if cause is None or not cause.slots or verdict.verdict not in _OWNED:
        return ""
    one = len(cause.slots) == 1 and (cause.count or 1) == 1
    unit = {"mamba": "state", "rows": "row"}.get(verdict.pool, "slot")
    named = f"{unit}{'' if one else 's'} {listed(cause.slots)}"
    if cause.count is not None and cause.count > len(cause.slots):
        named += f" and {count(cause.count - len(cause.slots))} more"
    if verdict.size < 0:
        return f"{named} {'belongs' if one else 'belong'} to nobody"
    return f"{named} {'is' if one else 'are'} free twice or in two hands"


def listed(slots: Sequence[int]) -> str:
    """Slots, neighbours as a range."""
    words = [str(first) if many == 1 else f"{first}–{first + many - 1}" for first, many in runs(slots)]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def runs(slots: Sequence[int]) -> list[list[int]]:
    """[first, how many] of each run of slots that follow one another."""
    found: list[list[int]] = []
    for slot in slots:
        if found and slot == found[-1][0] + found[-1][1]:
            found[-1][1] += 1
        else:
            found.append([slot, 1])
    return found


def _iteration(verdict: Verdict) -> str:
    cause = verdict.cause
    return "" if cause is None or cause.iteration is None else f", iteration {count(cause.iteration)}"


def _who(cause: Cause) -> str:
    who = cause.request or cause.session
    told = who is None or re.search(rf"(?<![\w/-]){re.escape(who)}(?![\w/-])", cause.what)
    return "" if told else f" ({who})"
