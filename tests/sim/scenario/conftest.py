"""How the tests of scenarios get at the one line of an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.scenario import ScenarioError, load
from sim.scenario.loader import load_text
from sim.scenario.model import Scenario

SIXTEEN_GIB = 16 << 30

BASE = """\
name: x
pool: {tokens: 1000}
workload:
  - session: a
    turns: [{prompt: 20, output: 12}, {prompt: 1, output: 4}]
"""
"""Five lines that are right: what is appended begins in line 6."""

Refusal = Callable[..., str]


def _one_line(error: ScenarioError) -> str:
    line = str(error)
    assert line.isprintable(), "exactly one line, nothing that a terminal could stumble over"
    assert line.count("; ") >= 1, "what is wrong, then what to write instead"
    return line


@pytest.fixture
def refusal() -> Refusal:
    """The line about a text called f.yaml, which must be refused."""

    def line(text: str) -> str:
        with pytest.raises(ScenarioError) as caught:
            load_text(text, "f.yaml", memory=SIXTEEN_GIB)
        return _one_line(caught.value)

    return line


@pytest.fixture
def appended_refusal(refusal: Refusal) -> Refusal:
    """The line about five right lines and the text after them."""
    return lambda text: refusal(BASE + text)


@pytest.fixture
def file_refusal() -> Callable[[Path], str]:
    """The line about a file, which must be refused."""

    def line(path: Path) -> str:
        with pytest.raises(ScenarioError) as caught:
            load(path)
        return _one_line(caught.value)

    return line


@pytest.fixture
def scenario() -> Callable[[str], Scenario]:
    """The scenario that a text spells."""
    return lambda text: load_text(text, "folder/my scenario.yaml", memory=SIXTEEN_GIB)
