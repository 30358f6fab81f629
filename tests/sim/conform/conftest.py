"""The real releases of this package's tests: one worker per target, started when first asked for."""

from __future__ import annotations

import pytest
from helpers.sources import source_of

from sim.conform.pairs import start_real
from sim.conform.sides import Real
from sim.conform.targets import parse


@pytest.fixture(scope="package")
def real_side():
    """`real_side(name)`: the release of this target."""
    sides: dict[str, Real] = {}

    def side(name: str) -> Real:
        if name not in sides:
            target = parse(name)
            sides[name] = start_real(target, source_of(target.version))
        return sides[name]

    yield side
    for started in sides.values():
        started.end()
