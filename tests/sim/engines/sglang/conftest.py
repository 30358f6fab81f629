"""Where tests find the source of a release, and how they run code inside its boundary: in a process of its own."""

from __future__ import annotations

import pytest
from helpers.insider import run_apart
from helpers.sources import source_of

from sim.engines.sglang.source import Source


@pytest.fixture
def sglang_source():
    """`sglang_source(version)`: its source in the user's cache; the test is skipped where there is none."""

    return source_of


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
