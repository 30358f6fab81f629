"""Releases as sets of decisions, and releases with single changes taken out or put in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from policies.fixes import FIXES

if TYPE_CHECKING:
    from sim.scheduler.release import Release

DEFAULT_RELEASE = "sglang-0.5.11"


@dataclass(frozen=True, kw_only=True)
class ReleaseInfo:
    """What a release is made of."""

    name: str
    base: str
    version: str
    about: str
    fixes: frozenset[int]


RELEASES: dict[str, ReleaseInfo] = {
    info.name: info
    for info in (
        ReleaseInfo(
            name="sglang-0.5.10", base="0.5.10", version="0.5.10.post1",
            about="2026-04-08, before the founding changes", fixes=frozenset({21404}),
        ),
        ReleaseInfo(
            name="sglang-0.5.11", base="0.5.11", version="0.5.11", about="2026-05-07, with the founding changes",
            fixes=frozenset({21404, 21875, 22273, 22651, 22753, 22790, 22862, 22897, 22900, 23327, 23496}),
        ),
    )
}  # fmt: skip


POOL_OF = {"clock": "swa", "window": "swa", "leftover": "mamba", "revert": "mamba"}
"""Decisions that are about one pool: without it they change nothing."""


class UnknownChoice(ValueError):
    """A release, fix or decision that does not exist; the text is one line with advice."""


def compose(
    release: str,
    *,
    revert: Sequence[int] = (),
    add: Sequence[int] = (),
    decide: Mapping[str, str] | None = None,
) -> Release:
    """The `Release` of this name, without the fixes `revert`, with the fixes `add`, and with named variants."""
    info = _info(release)
    fixes = _fixes(info, revert, add)
    made = replace(_decisions(info, fixes), reverted=tuple(sorted(revert)), added=tuple(sorted(add)))
    for decision, variant in (decide or {}).items():
        made = replace(made, **{decision: _variant(decision, variant)})
    return made


def _info(name: str) -> ReleaseInfo:
    if name not in RELEASES:
        raise UnknownChoice(f"unknown release {name!r}; write {_nearest(name, RELEASES)}")
    return RELEASES[name]


def _nearest(word: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"{close[0]!r}" if close else "one of " + ", ".join(sorted(known))


def check_fixes(numbers: Iterable[int]) -> None:
    """UnknownChoice, with the nearest that there is, for a number that is no fix."""
    for number in numbers:
        if number not in FIXES:
            raise UnknownChoice(
                f"unknown fix {number}; write {_nearest(str(number), {str(n): 0 for n in FIXES})}"
            )


def _fixes(info: ReleaseInfo, revert: Sequence[int], add: Sequence[int]) -> frozenset[int]:
    check_fixes((*revert, *add))
    for number in revert:
        if number not in info.fixes:
            other = FIXES[number].superseded_by
            advice = (
                f"{other} replaced it: revert {other} and add {number}"
                if other
                else "nothing is to be reverted"
            )
            raise UnknownChoice(f"fix {number} is not in {info.name}; {advice}")
    fixes = (info.fixes - set(revert)) | set(add)
    for number in add:
        if number in info.fixes:
            raise UnknownChoice(f"fix {number} is in {info.name} already; leave it out of `add`")
        other = FIXES[number].superseded_by
        if other in fixes:
            raise UnknownChoice(
                f"fix {number} has no effect beside {other}, which replaced it; revert {other} too"
            )
    return frozenset(fixes)


def _decisions(info: ReleaseInfo, fixes: frozenset[int]) -> Release:
    """Each decision follows from the base and the fixes that are in."""
    from policies import (
        abort,
        admission,
        checks,
        clock,
        closing,
        eviction,
        flags,
        held,
        history,
        leftover,
        order,
        overshoot,
        preabort,
        ratio,
        reserve,
        revert,
        tail,
        victims,
        window,
    )
    from sim.scheduler.release import Release as Made

    new = info.base != "0.5.10"
    session_abort = 22790 in fixes
    return Made(
        name=info.name,
        base=info.base,
        fixes=fixes,
        held=held.ActiveRows() if 22753 in fixes else held.ActiveFlag() if 22213 in fixes else held.AllSlots(),
        history=history.AtFinish() if session_abort else history.AtCreate(),
        preabort=preabort.Restore() if 22273 not in fixes
        else preabort.Detach() if session_abort else preabort.Skip(),
        abort=abort.Nuke() if session_abort else abort.Transient() if 22273 in fixes else abort.Save(),
        flags=flags.Marked() if session_abort else flags.Unmarked(),
        tail=tail.FreedAtResume() if 22862 in fixes
        else tail.TrimmedAtRelease() if 21875 in fixes else tail.Kept(),
        overshoot=overshoot.Kept() if 22897 not in fixes
        else overshoot.Capped() if 22900 in fixes else overshoot.Trimmed(),
        closing=closing.Deferred() if 21875 in fixes else closing.Immediate(),
        revert=revert.Never() if 21404 not in fixes
        else revert.Ordinary() if 23327 in fixes else revert.Always(),
        leftover=leftover.Freed() if 23496 in fixes else leftover.Lost(),
        reserve=reserve.Preclaimed() if 22651 in fixes else reserve.Late(),
        admission=admission.Admission11() if new else admission.Admission10(),
        window=window.Window11() if new else window.Window10(),
        clock=clock.Text(),
        checks=checks.Checks11() if new else checks.Checks10(),
        ratio=ratio.Decaying(),
        victims=victims.FewestOutput(),
        orders=order.ORDERS,
        evictions=eviction.EVICTION_ORDERS,
    )  # fmt: skip


def variants() -> dict[str, dict[str, Any]]:
    """Every decision with its named variants."""
    from policies import (
        abort,
        admission,
        checks,
        clock,
        closing,
        flags,
        held,
        history,
        leftover,
        overshoot,
        preabort,
        reserve,
        revert,
        tail,
        window,
    )

    modules = (
        abort, admission, checks, clock, closing, flags, held, history, leftover, overshoot, preabort, reserve, revert,
        tail, window,
    )  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                decision, name = getattr(value, "decision", None), getattr(value, "name", None)
                if decision and name:
                    found.setdefault(decision, {})[name] = value
    return found


def _variant(decision: str, variant: str) -> Any:
    known = variants()
    if decision not in known:
        raise UnknownChoice(f"unknown decision {decision!r}; write {_nearest(decision, known)}")
    if variant not in known[decision]:
        advice = _nearest(variant, known[decision])
        raise UnknownChoice(f"unknown variant {variant!r} of decision {decision!r}; write {advice}")
    return known[decision][variant]()
