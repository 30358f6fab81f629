"""What the text of a module defines, without executing it."""

from __future__ import annotations

import ast
import os
from functools import cache


def defined(module: str, name: str) -> frozenset[str]:
    """Methods and attributes of class `name` in the source file `module`.py, with those of its bases in that file."""
    return frozenset(_names({c.name: c for c in _body(module) if isinstance(c, ast.ClassDef)}, name))


def top_level(module: str) -> frozenset[str]:
    """Functions, classes and constants that the text of a module defines."""
    found: set[str] = set()
    for part in _body(module):
        found |= _name_of(part)
    return frozenset(found)


@cache
def _body(module: str) -> list[ast.stmt]:
    for file in (f"{module}.py", os.path.join(module, "__init__.py")):
        if os.path.exists(file):
            with open(file, encoding="utf-8") as source:
                try:
                    return ast.parse(source.read()).body
                except SyntaxError:
                    return []
    return []


def _name_of(part: ast.stmt) -> set[str]:
    """What one statement defines."""
    if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {part.name}
    if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.value is not None:
        return {part.target.id}
    if isinstance(part, ast.Assign):
        return {target.id for target in part.targets if isinstance(target, ast.Name)}
    return set()


def _names(classes: dict[str, ast.ClassDef], name: str) -> set[str]:
    found: set[str] = set()
    if name not in classes:
        return found
    for part in classes[name].body:
        found |= _name_of(part)
    for base in classes[name].bases:
        if isinstance(base, ast.Name) and base.id != name:
            found |= _names(classes, base.id)
    return found
