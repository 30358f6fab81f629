"""Logs in the words of real releases, made by their own checks over pools that were spoilt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.loglines import named_unit
from helpers.releaselogs import FLOWS, VERSIONS
from helpers.sources import source_of

from reports.logs import examine

HERE = Path(__file__).parent / "stored"
TESTS = Path(__file__).parents[2]
FOUND = {
    "leak": [("leak", "full", -8, True)],
    "clean": [],
    "sessions": [("leak", "full", -4, True)],
    "double": [("double-free", "full", 1, False)],
    "busy": [("leak", "full", -1, False), ("crash", "full", 0, True)],
    "strict": [("leak", "full", -3, True), ("crash", "full", 0, True)],
    "rows": [("leak", "rows", -1, True)],
    "swa": [("leak", "swa", -6, True)],
    "mamba": [("leak", "mamba", -1, True)],
}
EACH = pytest.mark.parametrize("version", VERSIONS)


@pytest.mark.parametrize("flow", FOUND)
@EACH
def test_what_was_spoilt_is_found_and_nothing_else(version, flow):
    result = examine(HERE / version / f"{flow}.log")
    assert [(f.verdict, f.pool, f.size, f.sure) for f in result.findings] == FOUND[flow]


@EACH
def test_a_token_for_each_turn_has_that_slope(version):
    finding = examine(HERE / version / "leak.log").findings[0]
    assert named_unit(finding) == ("admitted request", -1.0)
    assert dict(finding.moved.changes) == {"available": -126, "evictable": 119}


def test_a_token_for_each_session_is_counted_against_sessions_where_the_release_names_them():
    assert named_unit(examine(HERE / "0.5.11" / "sessions.log").findings[0]) == ("released session", -1.0)
    assert named_unit(examine(HERE / "0.5.10.post1" / "sessions.log").findings[0]) == ("admitted request", -1.0)


@EACH
def test_the_busy_check_tells_the_iteration_and_its_terms(version):
    leak, crash = examine(HERE / version / "busy.log").findings
    assert leak.before.line == 12
    assert leak.now.terms == (368, 17, 12, 0, 2)
    assert dict(leak.moved.changes) == {"available": -2, "uncached": 1}
    assert crash.what.startswith("AssertionError: ")
    assert "Mem Leak Detected!" in crash.what


@EACH
def test_where_every_iteration_is_printed_all_of_them_balance(version):
    book = examine(HERE / version / "clean.log").log.ranks[""].books["full"]
    assert (book.checks["busy"], book.off) == (48, {"idle": 0, "busy": 0})


def test_what_0_5_10_leaves_out_of_its_message_is_said():
    finding = examine(HERE / "0.5.10.post1" / "mamba.log").findings[0]
    assert any("leaves session_held out" in line for line in finding.unknown)


@EACH
def test_the_release_still_prints_the_same(version):
    source = source_of(version)
    done = subprocess.run(
        [sys.executable, "-m", "helpers.releaselogs", str(source.path), version], cwd=TESTS, capture_output=True,
        text=True, env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    logs = json.loads(done.stdout)
    assert list(logs) == [flow.__name__ for flow in FLOWS] == list(FOUND)
    for name, text in logs.items():
        assert text == (HERE / version / f"{name}.log").read_text(encoding="utf-8"), name
