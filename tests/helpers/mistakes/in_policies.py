"""Mistakes in the decisions."""

from __future__ import annotations

from helpers.mistakes.base import Mistake

from policies import (
    abort,
    admission,
    closing,
    eviction,
    flags,
    held,
    history,
    order,
    overshoot,
    preabort,
    ratio,
    reserve,
    tail,
    victims,
)

MISTAKES = (
    Mistake(
        title="tail freed one too late", owner=tail.FreedAtResume, name="resumed",
        right="cache.free_from(slot.row, prefix,", wrong="cache.free_from(slot.row, prefix + 1,",
    ),
    Mistake(
        title="resumes one token less", owner=tail.FreedAtResume, name="prefix",
        right="min(committed, key_len)", wrong="min(committed, max(key_len - 1, 0))",
    ),
    Mistake(
        title="resumes one token more", owner=tail.Kept, name="prefix", on="0.5.10.post1",
        right="max(key_len - 1, 0)", wrong="key_len",
    ),
    Mistake(
        title="slot keeps the tail it gave back", owner=tail.FreedAtResume, name="resumed",
        right="slot.allocated = prefix", wrong="pass",
    ),
    Mistake(
        title="overshoot trimmed one too far", owner=overshoot.Trimmed, name="trim",
        right="target = req.prompt_len + length", wrong="target = req.prompt_len + length - 1",
    ),
    Mistake(
        title="history with overshoot", owner=overshoot.Trimmed, name="trim",
        right="req.cut_output(length)", wrong="pass",
    ),
    Mistake(
        title="finished turn not marked as freed", owner=flags.Marked, name="mark", on="0.5.11-22753",
        right="req.mark_freed()", wrong="pass",
    ),
    Mistake(
        title="aborted turn stays in flight", owner=history.AtFinish, name="aborted",
        right="session.inflight = False", wrong="pass",
    ),
    Mistake(
        title="second turn let in", owner=history.AtFinish, name="refuse",
        right="if session.inflight", wrong="if False",
    ),
    Mistake(
        title="a new turn leaves the old one attached", owner=history.AtCreate, name="created", on="0.5.10.post1",
        right="session.node.session = None", wrong="pass",
    ),
    Mistake(
        title="refused turn not detached", owner=preabort.Detach, name="restores",
        right="req.session = None", wrong="pass",
    ),
    Mistake(
        title="refused turn clears nothing", owner=preabort.Detach, name="restores",
        right="cache.release.history.aborted(req.session)", wrong="pass",
    ),
    Mistake(
        title="abort forgets what the turn allocated", owner=abort.Nuke, name="finish",
        right="slot.allocated = max(slot.allocated, req.allocated)", wrong="pass",
    ),
    Mistake(
        title="close does not see a turn in flight", owner=closing.Deferred, name="close",
        right="session.inflight or (", wrong="(",
    ),
    Mistake(
        title="borrowed slots count as held", owner=held.ActiveRows, name="tokens",
        right=" - book.in_rows(active_rows)", wrong="",
    ),
    Mistake(title="bonus slot not claimed ahead", owner=reserve.Preclaimed, name="preclaim", right="1", wrong="0"),
    Mistake(
        title="ratio after a retract without the one", owner=ratio.Decaying, name="after_retract",
        right="(survivors.max_new + 1)", wrong="max(survivors.max_new, 1)",
    ),
    Mistake(
        title="ratio decays in 599 steps", owner=ratio.Decaying, name="decayed",
        right="/ _DECAY_STEPS", wrong="/ (_DECAY_STEPS - 1)",
    ),
    Mistake(
        title="wrong retract victim among equals", owner=victims.FewestOutput, name="order",
        right="-reqs[i].prompt_len", wrong="reqs[i].prompt_len",
    ),
    Mistake(
        title="no page reserved at admission", owner=admission.Admission11, name="page_reserve",
        right="return page_size", wrong="return 0",
    ),
    Mistake(
        title="a reserve forecast too small by one", owner=admission.Admission11, name="spec_v2_need",
        right="2 * alloc_len", wrong="2 * alloc_len - 1",
    ),
    Mistake(
        title="eviction order ignores age among equals", owner=eviction.LFU, name="key",
        right="(node.hits, node.last_access)", wrong="(node.hits,)", pools=("full",),
    ),
    Mistake(
        title="protected segment from three hits", owner=eviction.SLRU, name="protected_from", right="2", wrong="3"
    ),
    Mistake(
        title="sharers are not deferred", owner=order.LongestPrefix, name="sort",
        right='float("inf") if r.rid in deferred else -len(r.prefix)', wrong="-len(r.prefix)",
    ),
    Mistake(
        title="the latest of equal priority first", owner=order.FirstCome, name="sort",
        right="r.queued_at)", wrong="-r.queued_at)",
    ),
)  # fmt: skip
