"""How code of a release imports: what its table lists is executed, all the rest is stood in for."""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from sim.engines.sglang.definitions import may_have, readable, top_level
from sim.engines.sglang.source import Source
from sim.engines.sglang.standins import StandIn, StandInModule, World
from sim.engines.sglang.tables.known import is_new
from sim.engines.sglang.tables.table import Replaced, Table

OWN = frozenset({"torch", "numpy", "packaging", "typing_extensions"})


class FailedBefore(ImportError):
    """A module could not be imported a second time either; the first reason is the one to tell."""


class _Loader(importlib.machinery.SourceFileLoader):
    """Executes a module of the release inside the boundary, and puts the replacements in at once."""

    def __init__(self, name: str, path: str, importing: Importing) -> None:
        super().__init__(name, path)
        self._importing = importing

    def exec_module(self, module: ModuleType) -> None:
        """Its imports, and those of its functions, go through the boundary."""
        importing = self._importing
        if module.__name__ in importing.failed:
            raise FailedBefore(module.__name__)
        module.__dict__["__builtins__"] = importing.builtins
        try:
            super().exec_module(module)
        except BaseException:
            importing.failed.add(module.__name__)
            raise
        importing.replace(module)

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """No byte code is written into somebody's checkout."""
        if self._importing.source.origin == "fetched":
            super().set_data(path, data, _mode=_mode)


class Importing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of the release, and what takes the place of the others."""

    def __init__(self, source: Source, table: Table) -> None:
        self.source = source
        self.table = table
        self.root = str(source.path.resolve())
        answers: dict[str, Any] = {a.name: a.value for a in table.answers}
        self.world = World(self.root + os.sep, answers)
        self.executed = frozenset(table.executed)
        self.misfits: list[str] = []
        self.failed: set[str] = set()
        self._foreign: dict[str, StandInModule] = {}
        self._own: dict[str, bool] = {}
        self._import = builtins.__import__
        self.builtins = {**vars(builtins), "__import__": self._release_import}
        self._replaced: dict[str, list[Replaced]] = {}
        for one in table.replaced:
            self._replaced.setdefault(one.module, []).append(one)

    # -- what the release imports -------------------------------------------------------------------------

    def _release_import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """`import` as code of the release sees it: third-party modules are stood in for, installed or not."""
        own = self._own.get(name) if level == 0 else True
        if own is None:
            top = name.partition(".")[0]
            own = self._own[name] = top == "sglang" or top in OWN or top in sys.stdlib_module_names
        if own:
            return self._import(name, globals, locals, fromlist or (), level)
        self._stand_in_for(name)
        return self._foreign[name if fromlist else name.partition(".")[0]]

    def _stand_in_for(self, name: str) -> None:
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            full = ".".join(parts[:count])
            if full not in self._foreign:
                self._foreign[full] = StandInModule(full, self.world, [], self._foreign.get)

    # -- modules of the release ---------------------------------------------------------------------------

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """An executed module, a namespace package above one, or a stand-in."""
        if fullname.partition(".")[0] != "sglang":
            return None
        where = os.path.join(self.root, *fullname.split("."))
        file, package = f"{where}.py", os.path.join(where, "__init__.py")
        if fullname in self.executed or is_new(fullname):
            if os.path.exists(file):
                return importlib.util.spec_from_file_location(fullname, file, loader=_Loader(fullname, file, self))
            if os.path.exists(package):
                return importlib.util.spec_from_file_location(
                    fullname, package, loader=_Loader(fullname, package, self), submodule_search_locations=[where]
                )
            if not os.path.isdir(where):
                return None
        elif not os.path.exists(file) and not os.path.isdir(where):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: Any) -> ModuleType:
        """A stand-in for a module of the release."""
        where = os.path.join(self.root, *spec.name.split("."))
        return StandInModule(spec.name, self.world, [where], self._submodule)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing."""

    def _submodule(self, name: str) -> Any:
        return importlib.import_module(name) if self.find_spec(name) is not None else None

    # -- looking at sources without executing them ---------------------------------------------------------

    def has_source(self, module: str) -> bool:
        """Whether the source has this module."""
        where = os.path.join(self.root, *module.split("."))
        return os.path.isdir(where) or os.path.exists(f"{where}.py")

    def defines(self, module: str, path: str) -> bool:
        """Whether the text of a module may define this function, class, or member of a class."""
        where = os.path.join(self.root, *module.split("."))
        name, _, member = path.partition(".")
        if member:
            return may_have(self.root, module, name, member)
        # A text that cannot be parsed is told by whoever imports it.
        return name in top_level(where) or not readable(where)

    def misfit(self, error: BaseException) -> str:
        """What went wrong while the release was imported, and where."""
        if isinstance(error, SyntaxError) and error.filename:
            return f"{os.path.relpath(error.filename, self.root)}:{error.lineno}: {error.msg}"
        return f"{error} ({self._place(error)})"

    def _place(self, error: BaseException) -> str:
        """The innermost line of the release that an exception came through."""
        lines = [
            f"{os.path.relpath(frame.filename, self.root)}:{frame.lineno}"
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename.startswith(self.root)
        ]
        return f"{type(error).__name__} at {lines[-1]}" if lines else type(error).__name__

    # -- replacements -------------------------------------------------------------------------------------

    def replace(self, module: ModuleType) -> None:
        """Put in what takes the place of functions of this module."""
        for one in self._replaced.get(module.__name__, ()):
            *path, last = one.path
            owner: Any = module
            for part in path:
                owner = getattr(owner, part, None)
            original = getattr(owner, last, None)
            if original is None:
                self.misfits.append(f"{one.module} has no {'.'.join(one.path)}, which is to be replaced")
            elif self._takes(original, one):
                setattr(owner, last, one.make(module))

    def _takes(self, original: Any, one: Replaced) -> bool:
        if one.parameters is None:
            return True
        if isinstance(original, StandIn):
            original = original._stand_of  # the function below its decorator
        found = tuple(inspect.signature(original).parameters)
        if found != one.parameters:
            self.misfits.append(
                f"{one.name}, which is replaced, takes ({', '.join(found)}) and not ({', '.join(one.parameters)})"
            )
        return found == one.parameters
