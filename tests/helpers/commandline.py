"""A command line in a folder of its own with one scenario in it, for the tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim import showing
from sim.cli import main

SCENARIO = """\
name: retract
pool: {tokens: 1000, rows: 8}
scheduler: {max_running: 8, overlap: false}
workload:
  - session: a
    turns: [{prompt: 20, output: 12}, {prompt: 10, output: 4}]
inject:
  - {retract: a/1, when: {decoded: 6}}
variants:
  before: {revert: [22862]}
  after: {}
expect:
  before: {verdict: leak, pool: full, size: -1}
  after: {verdict: clean}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder with one scenario in it; reports are drawn by other tests."""
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SCENARIO)
    monkeypatch.setattr(showing, "build_report", lambda paths, out: Path(out, "report.html"))


@pytest.fixture
def kvledger(capsys):
    """Runs a command in this process; gives status, stdout and stderr."""

    def run(*arguments):
        status = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run
