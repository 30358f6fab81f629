"""A worker with the model behind it, or with one that misbehaves: `python modelworker.py HOW RELEASE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sim.engines.select import Choice, Engines, release_of
from sim.engines.sglang import worker
from sim.engines.sglang.process import Worker, python
from sim.engines.sglang.source import Source

RELEASE = {"release": "sglang-0.5.11"}


class Watch:
    """Says which events it saw."""

    def __init__(self, engine):
        self.engine = engine
        self.count = 0

    def observe(self, kind):
        self.count += 1
        return {"kind": kind, "count": self.count}


def prepare():
    """What stands behind the wire."""
    how = sys.argv[1]
    if how == "misfit":
        raise ValueError("the table\ndoes not fit")
    if how in ("spin", "hello"):
        return _spin, None
    from helpers import wicked  # Imports torch: most of what a worker's start costs.

    wicked.Wicked.how, wicked.DEFAULT = how, json.loads(sys.argv[2])
    return wicked.make, Watch


def _spin(begin):
    while True:
        pass


def model_worker(how="", *, bound=60.0, release=None):
    """A process with the model behind the wire, which has still to say hello."""
    command = python(__file__, how, json.dumps(release or RELEASE))
    return Worker(command, bound=bound, environment={"PYTHONDONTWRITEBYTECODE": "1"})


class ModelEngines(Engines):
    """Stands for a release that is at hand, with the model behind its workers; counts them.

    `behaves` is the release that the model really is, `without` what is taken out of it unasked; `stubborn` fixes
    cannot be taken out.
    """

    def __init__(self, version="0.5.11", *, behaves=None, without=(), how="", stubborn=()):
        super().__init__(Choice(spec=f"sglang=={version}"), self._begin)
        self._source = Source(path=Path("/nowhere"), version=version, origin="fetched")
        self.behaves = behaves or release_of(version) or "sglang-0.5.11"
        self.without = without
        self.how = how
        self.stubborn = set(stubborn)
        self.started = []

    def _begin(self, source, reverts):
        how = "misfit" if self.stubborn & set(reverts) else self.how
        worker = model_worker(how, release={"release": self.behaves, "revert": (*reverts, *self.without)})
        self.started.append((reverts, worker))
        return worker


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    worker.run(prepare)
