"""A decision of the user's own: a class in a Python file, named as `path.py:ClassName` on the command line.

A program may hand over the class itself.

The class says which decision it takes (`decision = "victims"`) and has the members of that decision's protocol in
`sim/scheduler/release.py`. A scenario file cannot name one: YAML never causes code to run.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from sim.scheduler.release import Decision, Release


class PolicyError(ValueError):
    """A policy that cannot be used; the text is one line with advice."""


def load_policy(given: str | type) -> Callable[[Release], Release]:
    """What puts the policy `path.py:ClassName`, or this class, into a release."""
    if isinstance(given, str):
        spec = given
        path_text, _, name = spec.rpartition(":")
        if not path_text or not name:
            raise PolicyError(f"{spec}: not a policy; write FILE.py:CLASS")
        policy = _make(_class(Path(path_text), name), spec)
    else:
        spec, name = f"{given.__module__}.{given.__qualname__}", given.__name__
        policy = _make(given, spec)
    protocols = _protocols()
    decision = getattr(policy, "decision", None)
    if decision not in protocols:
        known = ", ".join(sorted(protocols))
        raise PolicyError(f"{spec}: {name}.decision is {decision!r}; write one of {known}")
    missing = sorted(m for m in _members(protocols[decision]) if not hasattr(policy, m))
    if missing:
        raise PolicyError(
            f"{spec}: {name} lacks {', '.join(missing)}, which decision {decision!r} needs; add it"
        )
    return lambda release: replace(release, **{decision: policy})


def spelled(given: str | type) -> str:
    """The policy as a command line names it: a class by its file."""
    if isinstance(given, str):
        return given
    try:
        return f"{inspect.getfile(given)}:{given.__qualname__}"
    except (OSError, TypeError) as error:
        raise PolicyError(
            f"{given.__qualname__}: in no file that a command line could name; define it in a Python file"
        ) from error


def _class(path: Path, name: str) -> Any:
    if not path.is_file():
        raise PolicyError(f"{path}: no such file; write FILE.py:CLASS")
    spec = importlib.util.spec_from_file_location(f"kvledger_policy_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise PolicyError(f"{path}: not a Python file; give it a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise PolicyError(
            f"{path}:{error.lineno}:{error.offset}: {error.msg}; mend the policy file"
        ) from error
    except Exception as error:
        raise PolicyError(
            f"{path}: fails when it is loaded: {_one_line(error)}; mend the policy file"
        ) from error
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        classes = sorted(
            n for n, v in vars(module).items() if inspect.isclass(v) and v.__module__ == module.__name__
        )
        advice = f"write one of {', '.join(classes)}" if classes else "define it there"
        raise PolicyError(f"{path}: has no class {name}; {advice}")
    return found


def _make(policy: Any, spec: str) -> Any:
    try:
        return policy()
    except Exception as error:
        raise PolicyError(
            f"{spec}: fails when it is made: {_one_line(error)}; it must need no arguments"
        ) from error


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _protocols() -> dict[str, type[Any]]:
    """Every decision that one class can take, with its protocol."""
    from sim.scheduler import release as module

    hints = get_type_hints(Release, vars(module) | {"Any": Any})
    found: dict[str, type[Any]] = {}
    for field in fields(Release):
        for kind in (hints[field.name], *get_args(hints[field.name])):
            if inspect.isclass(kind) and kind is not Decision and Decision in kind.__mro__:
                found[field.name] = kind
    return found


def _members(protocol: type[Any]) -> set[str]:
    names: set[str] = set()
    for base in protocol.__mro__:
        if base.__module__ == protocol.__module__:
            names |= {
                n for n in (*vars(base), *getattr(base, "__annotations__", {})) if not n.startswith("_")
            }
    return names
