"""What the test beside a finding calls: the scenario must show nothing any more."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sim.cli import cache_folder
from sim.engines.select import Choice, Engines
from sim.fuzz.accept import load_accepted
from sim.fuzz.faults import Telling
from sim.run import Options, load_all, run_variant


def assert_clean(
    scenario: Path | str,
    *,
    engine: str = "model",
    sglang_src: Path | str | None = None,
    policy: str | None = None,
    accept: Iterable[Path | str] = (),
) -> None:
    """AssertionError with the verdict in full, if a run of the scenario shows a fault that is not accepted."""
    accepted = load_accepted(map(Path, accept))
    choice = Choice(spec=engine, path=None if sglang_src is None else Path(sglang_src), cache=cache_folder())
    (read,) = load_all([Path(scenario)])
    with Engines(choice) as engines:
        for variant in read.variants.values():
            result = run_variant(read, variant, Options(policy=policy, blames=True), engines=engines)
            for shown in accepted.news(Telling(variant.operations).faults(result.verdicts, result.frames)):
                raise AssertionError(f"{read.path}, {variant.name}: {shown.verdict.text()}")
