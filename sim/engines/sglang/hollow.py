"""Classes in the place of stood-in base classes."""

from __future__ import annotations

import os
from typing import Any

from sim.engines.sglang.definitions import defined
from sim.engines.sglang.standins import World


class Hollow:
    """Base of the classes that take the place of a stood-in base class."""

    _hollow_name = ""
    _hollow_world: World

    def __init_subclass__(cls, **_: Any) -> None:
        """A stood-in base may take keywords of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        owner = _inherited(type(self)).get("__init__")
        if self._hollow_world.sealed and (owner or args or kwargs):
            self._hollow_world.refuse(owner or type(self).__name__, "initialised")

    def __getattr__(self, name: str) -> Any:
        owner = None if name.startswith("__") else _inherited(type(self)).get(name)
        if owner is not None:
            self._hollow_world.refuse(owner, f"asked for its attribute {name}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def hollow(name: str, world: World) -> type:
    """A class without members, in place of the base class `name`."""
    return type(
        name.rpartition(".")[2], (Hollow,), {"_hollow_name": name, "_hollow_world": world, "__module__": __name__}
    )


_INHERITED: dict[type, dict[str, str]] = {}


def _inherited(cls: type) -> dict[str, str]:
    """What a class would inherit from its stood-in bases, read from their sources: name → base. Nothing is executed."""
    known = _INHERITED.get(cls)
    if known is None:
        known = _INHERITED[cls] = {}
        for base in cls.__mro__:
            own: str = vars(base).get("_hollow_name", "")
            module, _, name = own.rpartition(".")
            if own:
                root = vars(base)["_hollow_world"].root
                known.update(dict.fromkeys(defined(os.path.join(root, *module.split(".")), name), own))
    return known
