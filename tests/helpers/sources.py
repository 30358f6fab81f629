"""Where tests find the source of a release; without one they are skipped."""

from __future__ import annotations

import pytest

from sim.cli import cache_folder
from sim.engines.sglang.source import Source, in_cache


def source_of(version: str) -> Source:
    """What `kvledger oracle fetch` has brought; skips the test if it has not."""
    found = in_cache(version, cache_folder())
    if found is None:
        pytest.skip(f"no SGLang source: run kvledger oracle fetch {version}")
    return found
