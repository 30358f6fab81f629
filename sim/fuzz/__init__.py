"""Random runs until the books break: found on the model or on a real release, made small, handed over as a scenario.

For tests of one's own: `accounting_machine` (Hypothesis), and `assert_clean` (a scenario that was found once).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.fuzz.machine import AccountingFault, accounting_machine
    from sim.fuzz.regression import assert_clean

__all__ = ["AccountingFault", "accounting_machine", "assert_clean"]
_HOMES = {
    "AccountingFault": "sim.fuzz.machine",
    "accounting_machine": "sim.fuzz.machine",
    "assert_clean": "sim.fuzz.regression",
}


def __getattr__(name: str) -> Any:
    """What is exported, imported when it is first asked for: torch and Hypothesis take a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
