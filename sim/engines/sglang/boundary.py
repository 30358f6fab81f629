"""The import boundary: executes the accounting core of a release, and stands in for all the rest.

Once per process. `sglang/__init__.py` is never executed, nothing outside the table's list is, and nothing third-party
but torch, numpy and two small libraries reaches the release, whatever this machine happens to have installed.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from sim.engines.sglang.importing import FailedBefore, Importing
from sim.engines.sglang.reverts import revert
from sim.engines.sglang.source import Source
from sim.engines.sglang.standins import StandInTouched
from sim.engines.sglang.tables import table_for
from sim.engines.sglang.tables.table import Table
from sim.errors import InputError


class BoundaryError(InputError):
    """The table does not fit the source; `str()` is one line that names every misfit found."""


class Modules(SimpleNamespace):
    """The modules and classes of a release under our names."""


def enter(source: Source, *, reverts: tuple[int, ...] = ()) -> Modules:
    """Import the release inside the boundary, with these fixes taken out; once per process."""
    if "sglang" in sys.modules:
        raise BoundaryError("this process has imported an sglang already; one process holds one version")
    table = table_for(source)
    _check_reverts(table, reverts)
    boundary = Importing(source, table)
    _set_environment_aside()
    for name in ("torch", "torch.cuda"):
        boundary.replace(importlib.import_module(name))
    package = ModuleType("sglang")
    package.__path__ = [os.path.join(boundary.root, "sglang")]
    package.__dict__["__version__"] = source.version
    package.__spec__ = importlib.machinery.ModuleSpec("sglang", None, is_package=True)
    sys.meta_path.insert(0, boundary)
    sys.modules["sglang"] = package
    modules = _import_all(boundary, table)
    _check(boundary, table)
    _raise_misfits(boundary)
    modules.reverts = frozenset(reverts)
    modules.gated = modules.old or 22651 in modules.reverts
    boundary.misfits += revert(modules.reverts, modules)
    _raise_misfits(boundary)
    boundary.world.sealed = True
    return modules


def _check_reverts(table: Table, reverts: tuple[int, ...]) -> None:
    for number in reverts:
        if number not in table.revertible:
            reason = dict(table.not_revertible).get(number, f"it is no fix of SGLang {table.version}")
            known = ", ".join(str(n) for n in table.revertible) or "none"
            raise BoundaryError(
                f"fix {number} cannot be taken out of SGLang {table.version}: {reason}; those that can: {known}"
            )


def _set_environment_aside() -> None:
    """The release reads about a hundred variables of its own; a run must not depend on who started it."""
    for name in [name for name in os.environ if name.startswith(("SGLANG_", "SGL_"))]:
        del os.environ[name]


def _import_all(boundary: Importing, table: Table) -> Modules:
    made = Modules(version=boundary.source.version, table=table, source=boundary.source, world=boundary.world)
    for ours, theirs in table.modules.items():
        module, _, attribute = theirs.partition(":")
        try:
            loaded = importlib.import_module(module)
            setattr(made, ours, getattr(loaded, attribute) if attribute else loaded)
        except (FailedBefore, StandInTouched):
            continue  # named already; the touches are among the early ones
        except (Exception, SystemExit) as error:
            boundary.misfits.append(boundary.misfit(error))
    made.old = table.version.startswith("0.5.10")
    boundary.misfits += [str(touched) for touched in boundary.world.early]
    return made


def _check(boundary: Importing, table: Table) -> None:
    """Every name that an engine needs is there; where a module could not be imported its source is looked at."""
    for required in table.required:
        module, _, path = required.partition(":")
        loaded = sys.modules.get(module)
        if loaded is None and not boundary.has_source(module):
            boundary.misfits.append(f"module {module} is missing")
        elif not (_has(loaded, path) if loaded is not None else boundary.defines(module, path)):
            boundary.misfits.append(f"{module} has no {path}")


def _has(module: ModuleType, path: str) -> bool:
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
        if found is None:
            return False
    return True


def _raise_misfits(boundary: Importing) -> None:
    if boundary.misfits:
        found = list(dict.fromkeys(" ".join(m.split()) for m in boundary.misfits))
        source = boundary.source
        raise BoundaryError(
            f"SGLang {source.version} at {source.path} does not fit the table of {boundary.table.version}: "
            + "; ".join(found)
        )


__all__ = ["BoundaryError", "Modules", "StandInTouched", "enter"]
