"""The upstream changes that can be taken out of a release, or put into one that lacks them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fix:
    """One upstream change."""

    number: int
    title: str
    summary: str
    superseded_by: int | None = None
    pool: str | None = None
    """The pool that it is about: without it nothing changes; None: any model's."""


FIXES: dict[int, Fix] = {
    fix.number: fix
    for fix in (
        Fix(
            number=21404,
            title="state of a refused request",
            summary="the recurrent state that a match copied for a request is freed if the request is then refused",
            pool="mamba",
        ),
        Fix(
            number=21875,
            title="lifecycle of streaming sessions",
            summary="closing a session whose turn is in flight is deferred; the over-allocated tail is freed at "
            "release (until 22862 took that over)",
        ),
        Fix(
            number=22213,
            title="is_active flag on session slots",
            summary="a slot lent to a turn is flagged and no longer counted as held; replaced by 22753, in neither "
            "release",
            superseded_by=22753,
        ),
        Fix(
            number=22273,
            title="turns refused on arrival",
            summary="a turn refused on arrival is not lent the session's slot, so its one-token prompt cannot "
            "overwrite row[0]",
        ),
        Fix(
            number=22651,
            title="bonus slot of speculative rounds",
            summary="a speculative round under overlap claims its bonus slot when it is prepared; sessions are "
            "allowed with it",
        ),
        Fix(
            number=22753,
            title="borrowed session KV counted twice",
            summary="session_held leaves out slots whose row belongs to a request in a batch, computed at each check",
        ),
        Fix(
            number=22790,
            title="abort of streaming turns",
            summary="one live turn per session, history written at finish, abort wipes KV and keeps tokens, finished "
            "turns marked as freed",
        ),
        Fix(
            number=22862,
            title="orphaned tail of a resumed turn",
            summary="all that the key covers is resumed, and the rest of the slot is freed before the row is "
            "overwritten",
        ),
        Fix(
            number=22897,
            title="overshoot of a finished turn",
            summary="tokens beyond the end of the text and their KV are trimmed when a streaming turn finishes",
        ),
        Fix(
            number=23327,
            title="state of a refused turn of a session",
            summary="a refused turn's recurrent state is not freed: its session's slot still names it",
            pool="mamba",
        ),
        Fix(
            number=23496,
            title="states of a closed session",
            summary="closing a session frees its recurrent states, not its KV and its row alone",
            pool="mamba",
        ),
        Fix(
            number=22900,
            title="cursor of the windowed half at a trimmed overshoot",
            summary="how far the windowed half was given back is capped at the cut too; out of reach through the "
            "released eviction clock",
            pool="swa",
        ),
    )
}
