"""Where tests find the source of a release; without one they are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sim.engines.sglang.source import Source, in_cache


def source_of(version: str) -> Source:
    """What `kvledger oracle fetch` has brought; skips the test if it has not."""
    home = os.environ.get("XDG_CACHE_HOME")
    found = in_cache(version, (Path(home) if home else Path.home() / ".cache") / "kvledger")
    if found is None:
        pytest.skip(f"no SGLang source: run kvledger oracle fetch {version}")
    return found
