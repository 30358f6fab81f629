"""What a lockstep costs: `replay --against` a real release, as a multiple of the release alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sim.bench.cases import Figure, Skipped, least
from sim.bench.load import recorded
from sim.engines.select import Choice, Engines
from sim.engines.sglang.source import in_cache
from sim.lockstep import lockstep
from sim.replay import Changes, replay

VERSION = "0.5.11"
OPERATIONS = 10_000
NAME = f"replay --against sglang=={VERSION} / the release alone, {OPERATIONS:,} operations"


def against(cache: Path) -> Iterator[Figure | Skipped]:
    """The model beside the release, against the release by itself, both without an auditor."""
    if in_cache(VERSION, cache) is None:
        yield Skipped(name=NAME, reason=f"no SGLang source: type kvledger oracle fetch {VERSION}")
        return
    with tempfile.TemporaryDirectory() as folder, Engines(Choice(spec=f"sglang=={VERSION}", cache=cache)) as real:
        ops = recorded(Path(folder), OPERATIONS)
        real.worker()  # Its start belongs to neither.
        alone, both = least(partial(_alone, ops, real), partial(_both, ops, real), rounds=3)
    yield Figure(name=NAME, ratio=both / alone, bound=1.5, note=f"{alone:.1f} → {both:.1f} s")


def _alone(ops: Path, real: Engines) -> float:
    start = time.perf_counter()
    replay(ops, Changes(audit="off"), engines=real)
    return time.perf_counter() - start


def _both(ops: Path, real: Engines) -> float:
    start = time.perf_counter()
    outcome = lockstep(ops, (Engines(), real))
    assert outcome.equal, "the model differs from the release; see kvledger replay --against"
    return time.perf_counter() - start
