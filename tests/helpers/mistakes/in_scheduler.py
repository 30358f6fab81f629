"""Mistakes in the loop, in admission, in sessions and in speculation."""

from __future__ import annotations

from helpers.mistakes.base import Mistake

from sim.engines import model
from sim.scheduler import (
    admission,
    arrival,
    controller,
    core,
    planning,
    release_kv,
    request,
    results,
    retract,
    session,
    speculation,
    streaming,
)

MISTAKES = (
    Mistake(
        title="batch is full for ever after a merge", owner=planning, name="merge_prefilled",
        right="scheduler.running.full = False", wrong="pass",
    ),
    Mistake(
        title="batch is full after it shrank", owner=planning, name="_update_running",
        right="if len(batch.reqs) < before:\n        batch.full = False", wrong="",
    ),
    Mistake(
        title="running requests not counted in a mixed prefill", owner=planning, name="_new_prefill",
        right="mixed = len(running.reqs) if _mixes(scheduler) else 0", wrong="mixed = 0",
    ),
    Mistake(
        title="waiting time-out one moment early", owner=planning, name="_time_out",
        right="r.arrived < deadline", wrong="r.arrived < deadline + 0.02",
    ),
    Mistake(
        title="a page taken for every decode", owner=planning, name="_need",
        right="int(np.count_nonzero(committed % page == 0)) * page", wrong="len(reqs) * page",
    ),
    Mistake(
        title="retract queues its victims backwards", owner=planning, name="_requeue",
        right="for req in reqs:", wrong="for req in reversed(reqs):",
    ),
    Mistake(
        title="room for the next pages not evicted", owner=planning, name="alloc_extend",
        right="tokens if page == 1 else tokens + len(reqs) * page", wrong="tokens",
    ),
    Mistake(
        title="chunk not cut to pages", owner=admission.PrefillAdder, name="add",
        right="self.rem_chunk // self.page * self.page", wrong="self.rem_chunk",
    ),
    Mistake(
        title="missing ceil in the budget", owner=admission.PrefillAdder, name="_charge",
        right="extend = self.memory.ceil(extend)", wrong="pass",
    ),
    Mistake(
        title="a lock not taken at admission", owner=admission.PrefillAdder, name="_take",
        right="self.cache.lock(req.last_node)", wrong="None",
    ),
    Mistake(
        title="output forecast not clipped", owner=admission.PrefillAdder, name="_expected_of_running",
        right="self.config.clip_max_new_tokens", wrong="1 << 30",
    ),
    Mistake(
        title="forecast of ends frees nothing", owner=admission.PrefillAdder, name="_release_order_fits",
        right="freed += occupied", wrong="pass",
    ),
    Mistake(
        title="output limit one too long", owner=arrival.Arrivals, name="take",
        right="self._config.max_req_len - req.prompt_len - 1", wrong="self._config.max_req_len - req.prompt_len",
    ),
    Mistake(
        title="a turn does not keep its session awake", owner=arrival.Arrivals, name="_turn",
        right="session.last_active = now", wrong="pass",
    ),
    Mistake(
        title="stop token not counted", owner=request.Req, name="check_finished",
        right="self.finished_len = self.stop_at", wrong="self.finished_len = self.stop_at - 1",
    ),
    Mistake(
        title="stop token inside an accepted run not seen", owner=request.Req, name="check_finished",
        right="out - new < self.stop_at <= out", wrong="self.stop_at == out",
    ),
    Mistake(
        title="retracted flag comes late", owner=request.Req, name="reset_for_retract",
        right="self.is_retracted = True", wrong="pass",
    ),
    Mistake(
        title="decoding part of a mixed batch is inserted", owner=results, name="_process_prefill",
        right="elif id(req) not in decoding:", wrong="else:",
    ),
    Mistake(
        title="retract evicts too little", owner=retract.Retractor, name="release",
        right="remaining * self._config.retract_steps", wrong="remaining",
    ),
    Mistake(
        title="the last request is retracted too", owner=retract.Retractor, name="for_memory",
        right="len(indices) > 1", wrong="len(indices) >= 1",
    ),
    Mistake(
        title="pause counts the victim among the rest", owner=retract.Retractor, name="named",
        right="len(batch.reqs) - i - 1", wrong="len(batch.reqs) - i",
    ),
    Mistake(
        title="v2 reserve too small by one", owner=speculation, name="alloc_reserve",
        right="2 * alloc_len", wrong="2 * alloc_len - 1",
    ),
    Mistake(
        title="v1 keeps what is beyond the limit", owner=speculation.Speculation, name="round_v1",
        right="np.minimum(self.accept(batch.reqs), left)", wrong="self.accept(batch.reqs)",
    ),
    Mistake(
        title="v1 draft is not given back", owner=speculation, name="draft",
        right="lasting=False", wrong="lasting=True",
    ),
    Mistake(
        title="reaper forgets when it ran", owner=controller.SessionController, name="reap",
        right="self._last_reap = now", wrong="pass",
    ),
    Mistake(
        title="reaper goes backwards", owner=controller.SessionController, name="reap",
        right="sorted(looked_at.items())", wrong="sorted(looked_at.items(), reverse=True)",
    ),
    Mistake(
        title="queue aborted from the front", owner=core.Scheduler, name="abort",
        right="reversed(self.waiting)", wrong="self.waiting",
    ),
    Mistake(
        title="queue one place too short", owner=core.Scheduler, name="enqueue",
        right="len(self.waiting) + 1 > knobs.max_queued", wrong="len(self.waiting) + 1 >= knobs.max_queued",
    ),
    Mistake(
        title="an equal priority displaces", owner=core.Scheduler, name="_least_wanted",
        right="(req.priority or 0) < direction", wrong="(req.priority or 0) <= direction",
    ),
    Mistake(
        title="later turns enter the tree", owner=streaming.StreamingCache, name="cache_unfinished",
        right="if session.name in self.slots:", wrong="if False:",
    ),
    Mistake(
        title="a closed session keeps its lock", owner=streaming.StreamingCache, name="release_session",
        right="self.inner.unlock(slot.last_node, slot.mark)", wrong="pass",
    ),
    Mistake(
        title="every save moves p", owner=session.SessionSlot, name="save", right="if first:", wrong="if True:",
    ),
    Mistake(
        title="missing ceil where the rest is freed", owner=release_kv.ReleaseKV, name="__call__",
        right="start = memory.ceil(start)", wrong="pass",
    ),
    Mistake(
        title="pause leaves the batch in flight", owner=model.ModelEngine, name="retract",
        right="scheduler.results and scheduler.last is not None", wrong="False",
    ),
    Mistake(
        title="ratio not reset when idle", owner=model.ModelEngine, name="_idle_check",
        right="scheduler.ratio = self.release.ratio.start(self.config.scheduler.conservativeness)", wrong="pass",
    ),
)  # fmt: skip
