"""What a token costs: model presets that size the KV tensor, in bytes per token (bf16, one GPU)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Bytes of full-attention KV that one token needs, over all layers."""

    name: str
    kv_bytes_per_token: int


HEADER_BYTES = 8
"""The canary header, one int64; a preset is never smaller."""


def _kv(name: str, layers: int, heads: int, head_dim: int) -> Preset:
    return Preset(name=name, kv_bytes_per_token=layers * heads * 2 * head_dim * 2)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(name="tiny", kv_bytes_per_token=HEADER_BYTES),
        _kv("qwen2.5-0.5b", 24, 2, 64),
        _kv("qwen3-30b-a3b", 48, 4, 128),
        _kv("llama-3-8b", 32, 8, 128),
        _kv("qwen3-8b", 36, 8, 128),
        _kv("qwen3-32b", 64, 8, 128),
        _kv("llama-3-70b", 80, 8, 128),
        Preset(name="deepseek-v3", kv_bytes_per_token=61 * (512 + 64) * 2),
        _kv("gpt-oss-20b", 12, 8, 64),
        _kv("gpt-oss-120b", 18, 8, 64),
        _kv("qwen3-next-80b-a3b", 12, 2, 256),
    )
}
