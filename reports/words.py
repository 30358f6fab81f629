"""What a reader is told in a sentence: outcomes and verdicts in plain words."""

from __future__ import annotations

from reports.data import Outcome, Verdict
from reports.style import count, signed

_MEANING = {
    "false-alarm": "the check is wrong, the memory is fine",
    "leak": "slots are owned by nobody",
    "double-free": "slots were freed twice",
    "alias": "a slot has two owners, or is free and still in use",
    "silent": "a fault that the release's own checks cannot see",
    "corrupt": "a position does not hold what was written for it",
    "watermark": "a cursor is out of order",
    "stuck": "work waits and nothing can run",
    "crash": "the scheduler raised",
}


def meaning(verdict: str) -> str:
    """What a kind of verdict means."""
    return _MEANING.get(verdict, "")


def short_verdict(outcome: Outcome) -> str:
    """A few words for a title: kinds with sizes, or clean."""
    if not outcome.verdicts:
        return "clean" if outcome.checks else "not audited"
    kinds: dict[str, int] = {}
    for verdict in outcome.verdicts:
        name = f"{verdict.verdict} {size_of(verdict)}" if verdict.size else verdict.verdict
        kinds[name] = kinds.get(name, 0) + 1
    words = [name if times == 1 else f"{name} ({count(times)}×)" for name, times in kinds.items()]
    return ", ".join(words[:3]) + (", …" if len(words) > 3 else "")


def sentence(outcome: Outcome) -> str:
    """The first thing that a report says of a variant."""
    if not outcome.verdicts and not outcome.checks:
        return f"not audited: nothing is known of {count(outcome.events)} events but that none crashed."
    if not outcome.verdicts:
        return (
            f"clean: the books balance and nothing is lost, in all {count(outcome.events)} events"
            f" ({count(outcome.checks)} audits)."
        )
    first = outcome.verdicts[0]
    size = f", {size_of(first)}" if first.size else ""
    text = f"{first.verdict}{size} in the {first.pool} pool"
    if meaning(first.verdict):
        text += f": {meaning(first.verdict)}"
    text += f". Cause: event {count(first.began)}{_what(first)}; {detection(first)}."
    more = len(outcome.verdicts) - 1
    return text + (f" {count(more)} more verdict{'s' if more > 1 else ''}." if more else "")


def size_of(verdict: Verdict) -> str:
    """By how much something is off, with its sign; work that waits is so many requests."""
    if verdict.verdict == "stuck":
        return f"{count(verdict.size)} request{'' if verdict.size == 1 else 's'}"
    return signed(verdict.size)


def detection(verdict: Verdict) -> str:
    """Whether and when the release's own checks saw it."""
    if verdict.seen is None:
        return "the release's own checks never see it"
    later = verdict.seen - verdict.began
    when = "in the same event" if later == 0 else f"{count(later)} event{'s' if later > 1 else ''} later"
    if verdict.detected_by == "crash":
        return f"a crash shows it {when}"
    return f"the release's {verdict.detected_by} sees it {when}"


def _what(verdict: Verdict) -> str:
    cause = verdict.cause
    if cause is None:
        return ""
    who = cause.request or cause.session
    return f", {cause.what}" + (f" ({who})" if who and who not in cause.what else "")
