"""Changing a line of a method in memory: it is compiled again from its source, with a fragment replaced."""

from __future__ import annotations
import __future__

import inspect
import sys
import textwrap
from collections.abc import Mapping
from typing import Any


class Misfit(Exception):
    """A method or a fragment that is not there."""


def method(owner: Any, name: str) -> Any:
    """A function of a class as it is now, static or not; inherited ones too."""
    for kind in owner.__mro__:
        if name in vars(kind):
            found = vars(kind)[name]
            return found.__func__ if isinstance(found, staticmethod | classmethod) else found
    raise Misfit(f"{owner.__module__} has no {owner.__name__}.{name}")


def rewrite(owner: Any, name: str, fragments: Mapping[str, str]) -> None:
    """Replace fragments in the source of `owner.name`; every one must be there."""
    function = method(owner, name)
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise Misfit(f"the source of {owner.__name__}.{name} cannot be read") from None
    source = textwrap.dedent("".join(lines))
    for fragment, replacement in fragments.items():
        if fragment not in source:
            raise Misfit(f"{owner.__name__}.{name} does not say {fragment.strip()!r}")
        source = source.replace(fragment, replacement)
    setattr(owner, name, _compiled(function, source, first))


def _compiled(function: Any, source: str, first: int) -> Any:
    """The function of this source, in the globals and at the lines of the original: traces still point there."""
    file = function.__code__.co_filename
    annotations = __future__.annotations.compiler_flag
    flags = function.__code__.co_flags & annotations
    code = compile("\n" * (first - 1) + source, file, "exec", flags=flags, dont_inherit=True)
    scope: dict[str, Any] = {}
    exec(code, vars(sys.modules[function.__module__]), scope)
    made = scope[function.__name__]
    made.__qualname__ = function.__qualname__
    return made
