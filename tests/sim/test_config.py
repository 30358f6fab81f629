"""What follows from the configuration by arithmetic."""

from dataclasses import FrozenInstanceError, replace

import pytest

from sim.config import LatencyConfig, PoolConfig, RunConfig, SchedulerConfig, SpeculativeConfig

RUN = RunConfig(pool=PoolConfig(tokens=1000))


@pytest.mark.parametrize(
    ("steps", "topk", "draft", "expected"), [(3, 1, 4, 4), (5, 4, 8, 20), (1, 1, 2, 2), (8, 1, 4, 8)]
)
def test_a_round_may_need_the_larger_of_the_tree_and_the_drafts(steps, topk, draft, expected):
    assert SpeculativeConfig(steps=steps, topk=topk, draft=draft).alloc_len == expected


@pytest.mark.parametrize(
    ("speculative", "overlap", "kinds"),
    [
        (None, True, (False, False)),
        (None, False, (False, False)),
        (SpeculativeConfig(), True, (False, True)),
        (SpeculativeConfig(), False, (True, False)),
    ],
)
def test_overlap_decides_between_the_two_kinds_of_speculation(speculative, overlap, kinds):
    knobs = SchedulerConfig(speculative=speculative, overlap=overlap)
    assert (knobs.spec_v1, knobs.spec_v2) == kinds


@pytest.mark.parametrize(
    ("tokens", "context", "longest", "input_len"),
    [(1000, 512, 511, 506), (300, 512, 299, 294), (513, 512, 511, 506)],
)
def test_the_longest_request_fits_the_row_and_the_pool(tokens, context, longest, input_len):
    run = replace(RUN, pool=PoolConfig(tokens=tokens, context=context))
    assert (run.max_req_len, run.max_req_input_len) == (longest, input_len)


def test_a_row_is_four_wider_than_the_context_and_wider_still_by_the_drafts():
    assert RUN.row_width == 4096 + 4
    speculative = SchedulerConfig(speculative=SpeculativeConfig(draft=8))
    assert replace(RUN, scheduler=speculative).row_width == 4096 + 4 + 8


@pytest.mark.parametrize(
    ("prefill", "decodes", "seconds"),
    [(0, 0, 0.001), (200, 0, 0.020), (0, 10, 0.009), (200, 10, 0.029)],
)
def test_an_iteration_costs_by_what_it_computes(prefill, decodes, seconds):
    assert LatencyConfig().of(prefill, decodes) == pytest.approx(seconds)


def test_the_defaults_are_those_of_the_server():
    knobs = SchedulerConfig()
    assert (knobs.policy, knobs.conservativeness, knobs.max_prefill_tokens) == ("fcfs", 1.0, 16384)
    assert (knobs.clip_max_new_tokens, knobs.retract_steps, knobs.preemption_threshold) == (4096, 20, 10)
    spec = SpeculativeConfig()
    assert (spec.steps, spec.topk, spec.draft) == (3, 1, 4)


@pytest.mark.parametrize("config", [RUN, RUN.pool, RUN.scheduler, RUN.latency, SpeculativeConfig()])
def test_a_configuration_is_frozen(config):
    field = next(iter(vars(config)))
    with pytest.raises(FrozenInstanceError):
        setattr(config, field, 1)


def test_fields_are_given_by_name():
    with pytest.raises(TypeError):
        PoolConfig(1000)
