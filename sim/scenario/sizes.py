"""How much memory a scenario asks for, estimated before anything is allocated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sim.config import RunConfig
from sim.memory.presets import PRESETS

_ROW_ENTRY = 4
_MAPPING = 8
_BOOKKEEPING = 32
"""Bytes per slot beside its KV: free lists, owner tag, canary, recount."""


def memory_needed(config: RunConfig) -> int:
    """Bytes of the tensors that a run of this configuration allocates."""
    pool, preset = config.pool, PRESETS[config.pool.model]
    per_token = preset.kv_bytes_per_token + _BOOKKEEPING
    needed = (pool.tokens + pool.page_size) * per_token + (pool.rows + 1) * config.row_width * _ROW_ENTRY
    if pool.swa is not None:
        needed += (pool.swa.tokens + pool.page_size) * (preset.swa_bytes_per_token + _BOOKKEEPING)
        needed += (pool.tokens + pool.page_size) * _MAPPING
    if pool.mamba is not None:
        needed += (pool.mamba.slots + 1) * (preset.state.slot_bytes + _BOOKKEEPING)
    return needed


def machine_memory() -> int:
    """Bytes that this process may use: the machine's, or less where a control group says so."""
    return min(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *_limits())


def _limits() -> Iterator[int]:
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(file).read_text().strip()
        except OSError:
            text = "max"
        yield int(text) if text.isdigit() else 1 << 62


def spell_bytes(count: int) -> str:
    """`24.6 GiB`."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.1f} {unit}"
