"""Bytes of KV per token, as computed from the published shapes of the models."""

import pytest

from sim.memory.presets import HEADER_BYTES, PRESETS

BYTES_PER_TOKEN = {
    "qwen2.5-0.5b": 12_288,
    "qwen3-30b-a3b": 98_304,
    "llama-3-8b": 131_072,
    "qwen3-8b": 147_456,
    "qwen3-32b": 262_144,
    "llama-3-70b": 327_680,
    "deepseek-v3": 70_272,
    "gpt-oss-20b": 24_576,
    "gpt-oss-120b": 36_864,
    "qwen3-next-80b-a3b": 24_576,
}


@pytest.mark.parametrize(("model", "expected"), BYTES_PER_TOKEN.items())
def test_bytes_per_token(model, expected):
    assert PRESETS[model].kv_bytes_per_token == expected


def test_tiny_is_the_canary_header_alone():
    assert PRESETS["tiny"].kv_bytes_per_token == HEADER_BYTES == 8


def test_there_is_no_model_without_a_figure_here():
    assert set(PRESETS) == {"tiny", *BYTES_PER_TOKEN}


@pytest.mark.parametrize("model", PRESETS)
def test_every_model_is_known_by_its_own_name_and_fills_whole_words(model):
    assert PRESETS[model].name == model
    assert PRESETS[model].kv_bytes_per_token % HEADER_BYTES == 0


def test_100_gib_hold_819_200_tokens_of_llama_3_8b():
    assert 100 * 2**30 // PRESETS["llama-3-8b"].kv_bytes_per_token == 819_200


@pytest.mark.parametrize(("model", "expected"), [("gpt-oss-20b", 24_576), ("gpt-oss-120b", 36_864)])
def test_windowed_layers_cost_as_much_as_the_others(model, expected):
    assert (PRESETS[model].swa_bytes_per_token, PRESETS[model].window) == (expected, 128)


def test_a_state_of_qwen3_next():
    state = PRESETS["qwen3-next-80b-a3b"].state
    assert state.slot_bytes == 77_266_944 == 36 * 2_146_304
    assert state.conv_bytes == 36 * 8192 * 3 * 2


def test_the_smallest_state_has_room_for_a_header():
    assert PRESETS["tiny"].state.temporal_bytes >= HEADER_BYTES


def test_100_gib_of_gpt_oss_20b_in_two_pools():
    full, swa = PRESETS["gpt-oss-20b"].split(100 * 2**30)
    assert full == int(100 * 2**30 / 44_236.8) == 2_427_259
    assert swa == int(full * 0.8) == 1_941_807


def test_60_gib_of_qwen3_next_are_394_states_and_the_rest_kv():
    preset = PRESETS["qwen3-next-80b-a3b"]
    slots, rest = preset.states(60 * 2**30)
    assert slots == 394
    assert round(rest / 2**30, 1) == 31.6
    assert round(preset.split(rest)[0] / 1e6, 2) == 1.38


@pytest.mark.parametrize(("model", "kinds"), [("llama-3-8b", ("full",)), ("gpt-oss-20b", ("full", "swa"))])
def test_the_pools_that_a_model_needs(model, kinds):
    assert PRESETS[model].kinds == kinds


def test_a_model_without_windowed_layers_has_one_pool():
    assert PRESETS["llama-3-8b"].split(131_072 * 10) == (10, 0)
