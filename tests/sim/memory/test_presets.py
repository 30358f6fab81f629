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
