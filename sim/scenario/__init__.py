"""What a scenario file may say, and how it becomes a run's input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sim.scenario.errors import ScenarioError

if TYPE_CHECKING:
    from sim.scenario.model import Scenario

__all__ = ["ScenarioError", "load"]


def load(path: Path, *, memory: int | None = None) -> Scenario:
    """The scenario in this file; raises ScenarioError, whose text is one line."""
    # pydantic is slow to import, and only reading a file needs it.
    from sim.scenario.loader import load_file

    return load_file(path, memory=memory)
