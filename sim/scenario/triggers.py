"""Whether what is injected and expected can happen at all, given the workload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sim.scenario.errors import Place, ScenarioError, choose
from sim.scenario.model import Expect, Injection, ScriptedSession, Source, Trigger, Until
from sim.scenario.names import Names
from sim.scenario.values import spell_duration

_ON_SESSIONS = ("close", "timeout", "overlong", "second_turn")


def session_problems(workload: Sequence[Source]) -> Iterator[ScenarioError]:
    """Scripted sessions used before they open."""
    for source in workload:
        if not isinstance(source, ScriptedSession):
            continue
        opens = f"session `{source.name}` opens at {spell_duration(source.open)}"
        if isinstance(source.close, float) and source.close < source.open:
            what = f"{opens} and closes at {spell_duration(source.close)}"
            yield ScenarioError(source.place, what, "close it later, or open it earlier")
        for turn in source.turns:
            if turn.at is not None and turn.at < source.open:
                what = f"{opens}, its turn `{turn.rid}` comes at {spell_duration(turn.at)}"
                yield ScenarioError(turn.place, what, "send the turn later, or open the session earlier")


def injection_problems(inject: Sequence[Injection], names: Names) -> Iterator[ScenarioError]:
    """Actions on what never exists, and actions that never happen."""
    for one in inject:
        yield from _target_problems(one, names)
        yield from trigger_problems(one.trigger, names)
        if one.rid is not None and one.trigger.rid == one.rid:
            what = f"`{one.rid}` is made by this very action, so it cannot trigger it"
            yield ScenarioError(one.trigger.place, what, "wait for another request, or write `at:`")


def _target_problems(one: Injection, names: Names) -> Iterator[ScenarioError]:
    target = one.target
    if target is None:
        return
    if one.action in _ON_SESSIONS:
        yield from _unknown_session(target, names, one.place)
        yield from _too_early(one, names)
    elif one.action == "abort":
        if not names.has_beginning(target):
            what = f"the workload makes no request whose id begins with `{target}`"
            yield ScenarioError(one.place, what, choose(target, names.some_requests()))
    else:
        yield from _unknown_request(target, names, one.place)


def _too_early(one: Injection, names: Names) -> Iterator[ScenarioError]:
    session = names.scripted.get(one.target or "")
    if session is not None and one.trigger.kind == "at" and one.trigger.value < session.open:
        opens = spell_duration(session.open)
        what = f"session `{session.name}` opens at {opens}, after this"
        yield ScenarioError(one.trigger.place, what, f"write `at: {opens}` or later")


def trigger_problems(trigger: Trigger, names: Names) -> Iterator[ScenarioError]:
    """A trigger that can never fire, whatever the settings."""
    if trigger.kind == "decoded" and trigger.rid is None:
        what = "`decoded` counts output tokens, and nothing says whose"
        yield ScenarioError(trigger.place, what, f"add `turn:`, {choose('', names.some_requests())}")
        return
    if trigger.rid is None:
        return
    longest = names.longest_output(trigger.rid)
    if longest is None:
        yield from _unknown_request(trigger.rid, names, trigger.place)
    elif trigger.kind == "decoded" and trigger.value > longest:
        what = f"`{trigger.rid}` has at most {longest} output tokens, so this can never happen"
        yield ScenarioError(trigger.place, what, f"write `decoded: {longest}` or less")


def bound_problems(triggers: Sequence[Trigger], until: Until) -> Iterator[ScenarioError]:
    """A trigger beyond the end of the run."""
    for trigger in triggers:
        if trigger.kind == "at" and until.time is not None and trigger.value > until.time:
            ends = spell_duration(until.time)
            what = f"the run ends at {ends}, before this can happen"
            yield ScenarioError(trigger.place, what, f"write `at: {ends}` or earlier, or a later `until`")
        if trigger.kind == "iteration" and until.iterations is not None and trigger.value > until.iterations:
            what = f"the run ends with iteration {until.iterations}, before this can happen"
            advice = f"write `iteration: {until.iterations}` or less, or a later `until`"
            yield ScenarioError(trigger.place, what, advice)


def expectation_problems(expect: Expect, names: Names) -> Iterator[ScenarioError]:
    """Expectations about what is never made."""
    clean = [entry for entry in expect.verdicts if entry.verdict == "clean"]
    if clean and len(expect.verdicts) > 1:
        yield ScenarioError(
            clean[0].place, "`clean` stands beside other verdicts", "leave one of the two out"
        )
    for entry in expect.verdicts:
        if entry.request is not None and entry.request not in names.unsent:
            yield from _unknown_request(entry.request, names, entry.place)
        if entry.session is not None:
            yield from _unknown_session(entry.session, names, entry.place)
    for point in expect.points:
        yield from trigger_problems(point.trigger, names)
        for session in point.sessions:
            yield from _unknown_session(session, names, point.place)
        for rid in point.requests:
            yield from _unknown_request(rid, names, point.place)


def _unknown_session(name: str, names: Names, place: Place) -> Iterator[ScenarioError]:
    if not names.has_session(name):
        advice = choose(name, names.some_sessions(), "session")
        yield ScenarioError(place, f"{names.maker} opens no session `{name}`", advice)


def _unknown_request(rid: str, names: Names, place: Place) -> Iterator[ScenarioError]:
    if names.longest_output(rid) is None:
        advice = choose(rid, names.some_requests(), "request")
        yield ScenarioError(place, f"{names.maker} makes no request `{rid}`", advice)
