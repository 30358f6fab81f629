"""Random runs until the books break: found on the model or on a real release, made small, handed over as a scenario."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.fuzz.machine import AccountingFault, accounting_machine

__all__ = ["AccountingFault", "accounting_machine"]


def __getattr__(name: str) -> Any:
    # Hypothesis and torch are for those who fuzz: nobody else waits for them.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sim.fuzz import machine

    return getattr(machine, name)
