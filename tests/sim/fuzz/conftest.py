"""Campaigns of the tests: in this process where it does not matter in which."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.inprocess import InProcess

from sim.fuzz import campaign
from sim.fuzz.trial import Player


@pytest.fixture
def in_process(monkeypatch):
    """No processes."""
    monkeypatch.setattr(campaign, "Hands", InProcess)


@pytest.fixture
def undrawn(monkeypatch):
    """No reports of what is found: they are drawn by other tests."""
    import reports

    monkeypatch.setattr(reports, "build", lambda paths, out: Path(out, "report.html"))


@pytest.fixture
def player():
    """`player(subject)`: one that ends with the test."""
    made: list[Player] = []

    def start(subject):
        made.append(Player(subject))
        return made[-1]

    yield start
    for one in made:
        one.close()
