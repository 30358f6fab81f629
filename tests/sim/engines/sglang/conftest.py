"""Where tests find the source of a release, and how they run code inside its boundary: in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers.insider import run_apart

from sim.engines.sglang.source import Source, in_cache


@pytest.fixture
def sglang_source():
    """`sglang_source(version)`: its source in the user's cache; the test is skipped where there is none."""

    def find(version: str) -> Source:
        home = os.environ.get("XDG_CACHE_HOME")
        cache = (Path(home) if home else Path.home() / ".cache") / "kvledger"
        found = in_cache(version, cache)
        if found is None:
            pytest.skip(f"no SGLang source: run kvledger oracle fetch {version}")
        return found

    return find


PRELUDE = """
from pathlib import Path
from sim.engines.sglang.boundary import BoundaryError, StandInTouched, enter
from sim.engines.sglang.source import Source
source = Source(path=Path({path!r}), version={version!r}, origin={origin!r})
"""


@pytest.fixture
def inside(tmp_path_factory):
    """`inside(source, code)`: what `code` prints, line by line, in a process of its own in which `source` is known."""

    def run(source: Source, code: str, **environment: str) -> list[str]:
        prelude = PRELUDE.format(path=str(source.path), version=source.version, origin=source.origin)
        out = tmp_path_factory.mktemp("inside") / "out"
        return run_apart(prelude + code, environment, out).splitlines()

    return run
