"""Speculation without overlap (v1): draft, verify and walk in one go, by the release's own code for all three."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import torch

from sim.engines.sglang.forward import Forward, said
from sim.engines.sglang.speculation import rounds


class SpeculativeV1(Forward):
    """The models give nothing but zeros; what the target model prefers is replaced by what the world says."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        modules, spec = engine.modules, engine.config.scheduler.speculative
        self._modules = modules
        self._spec = spec
        self._input = modules.eagle_info.EagleDraftInput
        self._verify = modules.eagle_info.EagleVerifyInput
        fields = {f.name for f in dataclasses.fields(self._verify)}
        # 0.5.10 spells it without the second e.
        self._retrieve = "retrieve" if "retrieve_index" in fields else "retrive"
        fields = {f.name for f in dataclasses.fields(modules.eagle_info.EagleVerifyOutput)}
        self._counts = next(name for name in fields if name.endswith("_per_req_cpu"))
        self._tokens = _either("accept_tokens", "verified_id", fields)
        self._bonus = _either("bonus_tokens", "verified_id", {f.name for f in dataclasses.fields(self._input)})
        scheduler = engine.scheduler
        worker = object.__new__(modules.eagle_worker.EAGLEWorker)
        worker.page_size, worker.topk, worker.device = scheduler.page_size, spec.topk, "cpu"
        worker.speculative_num_steps = spec.steps
        worker.speculative_num_draft_tokens = spec.draft
        worker.token_to_kv_pool_allocator = scheduler.token_to_kv_pool_allocator
        worker.num_new_pages_per_topk = worker.extend_lens = torch.empty(0, dtype=torch.int64)
        self._worker = worker
        scheduler.draft_worker = SimpleNamespace(speculative_num_draft_tokens=spec.draft)

    def run(self, batch: Any) -> Any:
        """A prefill gives one token; a round what the release's walk leaves of what the world says."""
        self.scheduler.forward_ct += 1
        if batch.forward_mode.is_decode():
            return self._round(batch)
        self.written(batch)
        ids = self.next_tokens(batch)
        batch.spec_info = self._handed_on(len(ids))
        return self.result(next_token_ids=ids)

    def _handed_on(self, count: int) -> Any:
        """What the draft model hands on to the next round, for as many requests as go on."""
        topk = self._spec.topk
        return self._input(
            hidden_states=torch.zeros((count, 1)), topk_p=torch.zeros((count, topk)),
            topk_index=torch.zeros((count, topk), dtype=torch.int64),
            **{self._bonus: torch.zeros(count, dtype=torch.int32)},
        )  # fmt: skip

    def _round(self, batch: Any) -> Any:
        draft, count, page = self._spec.draft, len(batch.reqs), self.scheduler.page_size
        self._worker._draft_preprocess_decode(batch)
        verify = self._verify_input(batch, count * draft)
        verify.prepare_for_verify(batch, page)
        batch.spec_info = verify
        verify.hidden_states = torch.zeros((count * draft, 1))
        logits = SimpleNamespace(next_token_logits=torch.zeros((count * draft, 1)), hidden_states=None)
        self._modules.eagle_info.verify_tree_greedy_func = lambda **tensors: self._walk(batch, **tensors)
        done = verify.verify(batch, logits, self.scheduler.token_to_kv_pool_allocator, page, None)
        batch.spec_info = self._handed_on(sum(not req.finished() for req in batch.reqs))
        batch.output_ids = getattr(done, self._tokens)
        result = self.result(next_token_ids=batch.output_ids)
        setattr(result, self._counts, getattr(done, self._counts))
        return result

    def _verify_input(self, batch: Any, tokens: int) -> Any:
        draft, name = self._spec.draft, self._retrieve
        at = torch.arange(tokens).reshape(-1, draft)
        return self._verify(
            draft_token=torch.zeros(tokens, dtype=torch.int64), custom_mask=None, positions=None,
            spec_steps=self._spec.steps, topk=self._spec.topk, draft_token_num=draft, capture_hidden_mode=None,
            seq_lens_sum=batch.seq_lens_sum, seq_lens_cpu=batch.seq_lens_cpu,
            **{f"{name}_index": at, f"{name}_next_token": at, f"{name}_next_sibling": at, f"{name}_cum_len": None},
        )  # fmt: skip

    def _walk(
        self, batch: Any, *, predicts: Any, accept_index: Any, accept_token_num: Any, **_: Any
    ) -> tuple[Any, Any, Any]:
        """In the place of the kernel that walks the tree of drafts: the first drafts are right, the others wrong."""
        draft, reqs = self._spec.draft, batch.reqs
        starts = batch.seq_lens.tolist()
        counts = rounds(reqs, self._spec.longest_accepted)
        self.round_written(reqs, starts, [min(n, _left(req)) for req, n in zip(reqs, counts, strict=True)], draft)
        ends = [len(req.origin_input_ids) + len(req.output_ids) - 1 for req in reqs]
        tokens = torch.from_numpy(said(reqs, ends, counts, draft).reshape(-1))
        index = torch.full_like(accept_index, -1)
        for i, count in enumerate(counts):
            index[i, :count] = torch.arange(i * draft, i * draft + count)
        predicts[: len(tokens)] = tokens
        accept_token_num.copy_(torch.tensor(counts) - 1)
        return predicts, index, accept_token_num


def _either(new: str, old: str, fields: set[str]) -> str:
    """The name that this release has for it."""
    return new if new in fields else old


def _left(req: Any) -> int:
    """How many tokens this request still takes."""
    if req.to_finish:
        return 1
    limit: int = min(req.sampling_params.max_new_tokens, req.known.stop_at)
    return max(limit - len(req.output_ids), 1)
