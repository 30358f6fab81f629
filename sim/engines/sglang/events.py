"""What befalls requests: heard where the release would tell a client, or where it lets go of a request."""

from __future__ import annotations

from typing import Any

_KINDS = {"FINISH_LENGTH": "length", "FINISH_MATCHED_TOKEN": "stop", "FINISH_ABORT": "abort"}


def finish_kind(req: Any) -> str:
    """Why a request of the release ended; empty while it has not."""
    reason = req.finished_reason
    if reason is None:
        return ""
    name = type(reason).__name__
    return _KINDS.get(name, name)


class Events:
    """Finished, aborted, retracted and refused since the last report; and who is to be refused.

    `short` is the pool in which the last admission attempt found no memory.
    """

    __slots__ = ("aborted", "arrived", "finished", "refusals", "refused", "retracted", "settled", "short")

    def __init__(self) -> None:
        self.finished: list[str] = []
        self.aborted: list[str] = []
        self.retracted: list[str] = []
        self.refused: list[str] = []
        self.refusals: dict[str, int] = {}
        self.arrived: Any = None
        self.settled = (0, 0)
        self.short: str | None = None

    def ended(self, req: Any) -> None:
        """A request has a finish reason, and its memory is about to be released."""
        (self.aborted if finish_kind(req) == "abort" else self.finished).append(req.rid)

    def told(self, message: Any, *_: Any) -> None:
        """The release tells a client that its request will not go on."""
        self.aborted.append(message.rid)

    def refuses(self, rid: str) -> bool:
        """Whether this admission attempt is to find no memory."""
        left = self.refusals.get(rid, 0)
        if not left:
            return False
        self.refusals[rid] = left - 1
        self.refused.append(rid)
        return True

    def unsettled(self) -> tuple[list[str], list[str]]:
        """Who has finished, and who was aborted, since the last call."""
        finished, aborted = self.settled
        self.settled = (len(self.finished), len(self.aborted))
        return self.finished[finished:], self.aborted[aborted:]

    def take(self) -> tuple[tuple[str, ...], ...]:
        """All of it, for a report: finished, aborted, retracted, refused."""
        taken = (tuple(self.finished), tuple(self.aborted), tuple(self.retracted), tuple(self.refused))
        if any(taken):
            self.finished, self.aborted, self.retracted, self.refused = [], [], [], []
            self.settled = (0, 0)
        return taken


class Removals(dict[str, Any]):
    """The sessions of the release; remembers in which order they were removed."""

    def __init__(self) -> None:
        super().__init__()
        self.removed: list[str] = []

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self.removed.append(name)


def listening_adder(modules: Any) -> type:
    """The prefill adder of the release, which also refuses on demand, and tells of preemption and what was short."""
    base: Any = modules.schedule_policy.PrefillAdder
    no_token = modules.schedule_policy.AddReqResult.NO_TOKEN
    apart = hasattr(base, "rem_swa_tokens")

    class Adder(base):  # type: ignore[misc]
        """Finds its listener at the prefix cache, the one thing it is handed that belongs to one scheduler.

        The figure that the release reads last before it says that there is no memory is the one that is too small.
        """

        looked_at = "full"

        @property
        def rem_total_tokens(self) -> Any:
            """As the release, and remember which pool it is of."""
            self.looked_at = self._scarcer()
            return super().rem_total_tokens

        @property
        def cur_rem_tokens(self) -> Any:
            """As the release, and remember which pool it is of."""
            self.looked_at = self._scarcer()
            return super().cur_rem_tokens

        @property
        def rem_swa_tokens(self) -> Any:
            """As the release that has it, and remember which pool it is of."""
            self.looked_at = "swa"
            return super().rem_swa_tokens

        def _scarcer(self) -> str:
            """The pool of which the tokens left are: of both, the one with less, where the other has no figure."""
            if apart or not self.is_hybrid_swa:
                return "full"
            allocator, cache = self.token_to_kv_pool_allocator, self.tree_cache
            windowed = allocator.swa_available_size() + cache.swa_evictable_size()
            return "swa" if windowed < allocator.full_available_size() + cache.full_evictable_size() else "full"

        def add_one_req(self, req: Any, *args: Any, **kwargs: Any) -> Any:
            """Refuse, or go on as the release does."""
            listener = self.tree_cache.listener
            listener.short = None
            if listener.refuses(req.rid):
                return no_token
            added = super().add_one_req(req, *args, **kwargs)
            if added == no_token:
                listener.short = self.looked_at
            return added

        def add_chunked_req(self, req: Any) -> Any:
            """As the release; a chunk that is parked found too little memory."""
            left = super().add_chunked_req(req)
            parked = left is req and all(added is not req for added in self.can_run_list)
            self.tree_cache.listener.short = self._lacking() if parked else None
            return left

        def _lacking(self) -> str:
            """The pool for want of which a chunk is parked."""
            return "full" if super().rem_total_tokens <= 0 else "swa"

        def preempt_to_schedule(self, req: Any, server_args: Any) -> Any:
            """As the release, and tell who had to go."""
            before, already = list(self.running_batch.reqs), len(self.preempt_list)
            done = super().preempt_to_schedule(req, server_args)
            if done:
                # The release goes through a set here: any order would be its own, so it is the one in which it chose.
                sign = -1 if server_args.schedule_low_priority_values_first else 1
                chosen = self.preempt_list[already:]
                chosen.sort(key=lambda r: (r.priority * sign, -r.time_stats.wait_queue_entry_time))
                self.preempt_list[already:] = chosen
                gone = {id(r) for r in chosen}
                self.tree_cache.listener.retracted += [r.rid for r in before if id(r) in gone]
            return done

    return Adder
