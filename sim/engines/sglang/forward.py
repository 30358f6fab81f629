"""The forward pass that nobody runs: its tokens come from the world, so that every engine sees the same text."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sim.engines.sglang.arrivals import NEVER
from sim.memory.kvpool import GARBAGE
from sim.world import EOS, Ints, stream, tokens_at


def text(req: Any, start: int, stop: int) -> Ints:
    """What stands, or will stand, at these positions of a real request: its prompt, then its stream."""
    prompt = req.origin_input_ids
    have = len(prompt)
    at = max(start, have)
    tokens = stream(req.known.key, at, stop) if at < stop else np.empty(0, dtype=np.int64)
    end = have + req.known.stop_at - 1
    if at <= end < stop:
        tokens[end - at] = EOS
    return tokens if start >= have else np.concatenate((np.array(prompt[start:stop], dtype=np.int64), tokens))


def said_until(req: Any) -> int:
    """The position of the last output token that its passes have made."""
    position: int = len(req.origin_input_ids) + req.known.outputs - 1
    return position


def said(reqs: list[Any], starts: list[int], counts: list[int], draft: int) -> Ints:
    """What a speculative round says, a line for each request: its text behind `start`, then nothing of worth."""
    steps = np.arange(1, draft + 1, dtype=np.int64)
    positions = np.array(starts, dtype=np.int64)[:, None] + steps
    tokens = tokens_at(np.array([req.known.key for req in reqs], dtype=np.int64)[:, None], positions)
    for line, at, req in zip(tokens, positions, reqs, strict=True):
        if req.known.stop_at < NEVER:
            line[at == len(req.origin_input_ids) + req.known.stop_at - 1] = EOS
    tokens[steps > np.array(counts, dtype=np.int64)[:, None]] = GARBAGE
    return tokens


class Forward:
    """Results for the batches of one scheduler without speculation."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.scheduler = engine.scheduler
        self.result = engine.modules.managers_utils.GenerationBatchResult

    def run(self, batch: Any) -> Any:
        """One token for each request."""
        self.scheduler.forward_ct += 1
        self.written(batch)
        return self.result(next_token_ids=self.next_tokens(batch))

    def written(self, batch: Any) -> None:
        """The pass has written the KV of the positions that the release has just allocated."""
        canary = self._engine.canary
        if canary is not None:
            canary.launched(batch)

    def round_written(self, reqs: list[Any], starts: list[int], accepted: list[int], draft: int) -> None:
        """A speculative round has written `draft` positions of each request."""
        canary = self._engine.canary
        if canary is not None:
            canary.round(reqs, starts, accepted, draft)

    def next_tokens(self, batch: Any) -> Any:
        """For each request its next output token, which the batch feeds in next.

        Output k stands at O + k − 1 whatever the release thinks of its cursors: it can lose the end of a prompt.
        """
        reqs = batch.reqs
        decoding = set(map(id, reqs if batch.forward_mode.is_decode() else batch.decoding_reqs or ()))
        for req in reqs:
            before = req.known.outputs if id(req) in decoding else len(req.output_ids)
            req.known.outputs = before + 1
        positions = np.array([said_until(req) for req in reqs], dtype=np.int64)
        tokens = tokens_at(np.array([req.known.key for req in reqs], dtype=np.int64), positions)
        for i, req in enumerate(reqs):
            stop = req.known.stop_at
            if stop < NEVER and positions[i] == len(req.origin_input_ids) + stop - 1:
                tokens[i] = EOS
        ids = torch.from_numpy(tokens)
        batch.output_ids = ids
        return ids
