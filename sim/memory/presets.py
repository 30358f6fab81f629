"""What a token costs: model presets that size the tensors, in bytes (bf16, one GPU)."""

from __future__ import annotations

from dataclasses import dataclass

HEADER_BYTES = 8
"""The canary header, one int64; a preset is never smaller."""


@dataclass(frozen=True, kw_only=True)
class StateShape:
    """The recurrent state of one request: for each layer the end of a convolution, and a matrix for each head."""

    layers: int
    conv: tuple[int, int]
    """Channels, and positions that are kept; bf16."""
    temporal: tuple[int, int, int]
    """Heads and the two sides of a matrix; float32."""

    @property
    def conv_bytes(self) -> int:
        """Of all layers."""
        return self.layers * self.conv[0] * self.conv[1] * 2

    @property
    def temporal_bytes(self) -> int:
        """Of all layers."""
        heads, rows, columns = self.temporal
        return self.layers * heads * rows * columns * 4

    @property
    def slot_bytes(self) -> int:
        """What one slot of the state pool takes."""
        return self.conv_bytes + self.temporal_bytes


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Bytes of KV that one token needs, over all layers of a kind; the shape of the recurrent states."""

    name: str
    kv_bytes_per_token: int
    swa_bytes_per_token: int = HEADER_BYTES
    window: int | None = None
    swa_ratio: float = 0.8
    state: StateShape = StateShape(layers=1, conv=(2, 2), temporal=(1, 1, 2))
    kinds: tuple[str, ...] = ("full",)

    def split(self, budget: int) -> tuple[int, int]:
        """Tokens of the full pool and of the windowed one that fit into so many bytes, as the release sizes them."""
        if "swa" not in self.kinds:
            return budget // self.kv_bytes_per_token, 0
        cell = self.kv_bytes_per_token + self.swa_ratio * self.swa_bytes_per_token
        full = int(budget // cell)
        return full, int(full * self.swa_ratio)

    def states(self, budget: int, ratio: float = 0.9) -> tuple[int, int]:
        """State slots and the bytes that are left for KV, where states get `ratio` times what KV gets."""
        part = int(budget * ratio / (1 + ratio))
        return part // self.state.slot_bytes, budget - part


def _kv(name: str, layers: int, heads: int, head_dim: int) -> Preset:
    return Preset(name=name, kv_bytes_per_token=layers * heads * 2 * head_dim * 2)


def _windowed(name: str, layers: int, heads: int, head_dim: int, window: int) -> Preset:
    """As many layers that look back a window as layers that see everything."""
    each = layers * heads * 2 * head_dim * 2
    return Preset(
        name=name, kv_bytes_per_token=each, swa_bytes_per_token=each, window=window, kinds=("full", "swa")
    )


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(name="tiny", kv_bytes_per_token=HEADER_BYTES, kinds=("full", "swa", "mamba")),
        _kv("qwen2.5-0.5b", 24, 2, 64),
        _kv("qwen3-30b-a3b", 48, 4, 128),
        _kv("llama-3-8b", 32, 8, 128),
        _kv("qwen3-8b", 36, 8, 128),
        _kv("qwen3-32b", 64, 8, 128),
        _kv("llama-3-70b", 80, 8, 128),
        Preset(name="deepseek-v3", kv_bytes_per_token=61 * (512 + 64) * 2),
        _windowed("gpt-oss-20b", 12, 8, 64, 128),
        _windowed("gpt-oss-120b", 18, 8, 64, 128),
        Preset(
            name="qwen3-next-80b-a3b", kv_bytes_per_token=12 * 2 * 2 * 256 * 2, kinds=("full", "mamba"),
            state=StateShape(layers=36, conv=(8192, 3), temporal=(32, 128, 128)),
        ),
    )
}  # fmt: skip
