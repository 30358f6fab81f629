"""A random run as an ops.jsonl."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path

from helpers.randomrun import Run
from helpers.timed import timed

from sim.engines.sglang.wire import timed_to_json
from sim.setup import Identity


def write_ops(run: Run, path: Path) -> Path:
    """The run at `path`, as a recorder would have left it."""
    made = {"release": "sglang-0.5.11", **run.case.release}
    identity = Identity(scenario="random", variant=str(run.case.seed), **made)
    header = {"kvledger": 1, **identity.to_json(), "config": asdict(run.case.config)}
    lines = [header, *({"t": data.pop("t"), **data} for data in timed_to_json(timed(run)))]
    path.write_text("".join(dumps(line) + "\n" for line in lines))
    return path
