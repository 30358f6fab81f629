"""A request of ours as the message that a tokenizer would send to the release, and the tokens that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim.config import RunConfig
from sim.engines.protocol import Request
from sim.world import EOS, key_of, text

NEVER = 1 << 40


@dataclass(slots=True)
class Known:
    """What the world knows of one request: its stream, where its text ends, what its drafts are worth.

    `outputs` counts the output tokens that its passes have made, those on their way included.
    """

    spec: Request
    key: int
    stop_at: int
    rounds: int = 0
    outputs: int = 0


def known(spec: Request, seed: int) -> Known:
    """A request that has just arrived."""
    never = spec.ignore_eos or spec.stop_at is None
    return Known(spec, key_of(seed, spec.rid), NEVER if never or spec.stop_at is None else spec.stop_at)


def message(modules: Any, config: RunConfig, spec: Request) -> Any:
    """The tokenized request."""
    parameters = modules.sampling_params.SamplingParams(
        max_new_tokens=spec.max_new, ignore_eos=spec.ignore_eos, stop_token_ids=[EOS], temperature=0.0
    )
    parameters.normalize(None)
    session = None if spec.session is None else modules.io.SessionParams(id=spec.session)
    return modules.io.TokenizedGenerateReqInput(
        rid=spec.rid, input_text="", input_ids=text(config.seed, spec.prompt).tolist(), mm_inputs=None,
        sampling_params=parameters, return_logprob=False, logprob_start_len=-1, top_logprobs_num=0,
        token_ids_logprob=None, stream=False, session_params=session, priority=spec.priority,
        time_stats=modules.time_stats.SchedulerReqTimeStats(),
    )  # fmt: skip
