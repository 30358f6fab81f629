"""What of a scenario, or of a recorded run, a real release can be asked for: it is what it is, less some fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.engines.select import Engines

if TYPE_CHECKING:
    from sim.setup import Identity


def misfit(identity: Identity, engines: Engines, asked: tuple[int, ...] = ()) -> str | None:
    """Why this cannot run on the engine, or None if it can; starts the engine to find out.

    `asked` are the fixes that the command line wants taken out, whatever is known of the engine.
    """
    if not engines.real:
        return None
    if engines.release is not None and identity.release != engines.release:
        return f"it is of {identity.release}, and the engine is {engines.name}"
    unasked = tuple(number for number in identity.revert if number not in asked)
    if engines.release is None and unasked:
        # Whether a fix is in there at all is known of our releases only.
        return f"it takes out {_numbers(unasked)}, and {engines.name} need not have it"
    if identity.add:
        return f"it puts in {_numbers(identity.add)}, which can be done to the model only"
    if identity.decide:
        chosen = ", ".join(f"{name}: {value}" for name, value in sorted(identity.decide.items()))
        return f"it decides {chosen}, which can be done to the model only"
    if identity.policy is not None:
        return "it uses a policy, which can be done to the model only"
    return _not_taken_out(identity.revert, engines)


def _not_taken_out(reverts: tuple[int, ...], engines: Engines) -> str | None:
    from sim.engines.sglang.remote import EngineBroken

    try:
        engines.worker(reverts)
    except EngineBroken as error:
        # What does not fit with all fixes in place either is the engine's own misfit: that is raised.
        engines.worker()
        return f"{_numbers(reverts)} cannot be taken out: {error}"
    return None


def _numbers(fixes: tuple[int, ...]) -> str:
    return ", ".join(f"#{number}" for number in fixes)
