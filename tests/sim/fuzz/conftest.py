"""Campaigns of the tests: in this process where it does not matter in which."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from sim.fuzz import hands
from sim.fuzz.trial import Player


class Here:
    """An executor that does everything at once, in this process."""

    def __init__(self, *_, **__) -> None:
        pass

    def submit(self, do, *given):
        future: Future = Future()
        try:
            future.set_result(do(*given))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_) -> None:
        pass


@pytest.fixture
def in_process(monkeypatch):
    """No processes."""
    monkeypatch.setattr(hands, "ProcessPoolExecutor", Here)


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
