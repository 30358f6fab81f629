"""Speculation under overlap (v2): the release reserves slots ahead; what was accepted it learns an iteration later."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from sim.engines.sglang.forward import Forward, said, said_until
from sim.world import accepted


class SpeculativeV2(Forward):
    """Results of prefills and verify rounds."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        modules, spec = engine.modules, engine.config.scheduler.speculative
        self.draft: int = spec.draft
        self.longest: int = spec.longest_accepted
        self._input = modules.eagle_info.EagleDraftInput
        self._indices = modules.managers_utils.FutureIndices
        self._names_draft = "speculative_num_draft_tokens" in self.result.__dataclass_fields__
        worker = SimpleNamespace(speculative_num_draft_tokens=spec.draft, on_verify_complete_cpu=lambda *_: None)
        self.scheduler.draft_worker = self.scheduler.model_worker = worker

    def run(self, batch: Any) -> Any:
        """A prefill gives one token; a round as many as the world says."""
        self.scheduler.forward_ct += 1
        if not batch.forward_mode.is_decode():
            self.written(batch)
            result = self.result(next_token_ids=self.next_tokens(batch))
            self._launched(batch, batch.seq_lens.clone(), result)
            return result
        starts = batch.seq_lens.tolist()
        counts = rounds(batch.reqs, self.longest)
        self.round_written(batch.reqs, starts, counts, self.draft)
        ids = said(batch.reqs, [said_until(req) for req in batch.reqs], counts, self.draft)
        for req, count in zip(batch.reqs, counts, strict=True):
            req.known.outputs += count
        lengths = torch.tensor(counts, dtype=torch.int64)
        result = self.result(next_token_ids=torch.from_numpy(ids.reshape(-1)), accept_lens=lengths)
        self._launched(batch, batch.seq_lens + lengths, result)
        return result

    def _launched(self, batch: Any, lengths: Any, result: Any) -> None:
        """What the next round starts from: the release takes it from the device before the host knows it."""
        indices = torch.zeros(len(lengths), dtype=torch.int64)
        info = self._input(new_seq_lens=lengths, future_indices=self._indices(indices=indices))
        result.next_draft_input = batch.spec_info = info
        if self._names_draft:
            result.speculative_num_draft_tokens = self.draft
        batch.seq_lens = lengths
        batch.output_ids = indices


def rounds(reqs: list[Any], longest: int) -> list[int]:
    """What the next verify round of each request accepts."""
    counts = []
    for req in reqs:
        known = req.known
        counts.append(accepted(known.key, known.rounds, known.spec.accept, longest))
        known.rounds += 1
    return counts
