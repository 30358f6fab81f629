"""What the text of a module defines, without executing it."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from functools import cache

_PLAIN = ("object", "Protocol", "ABC")


def defined(module: str, name: str) -> frozenset[str]:
    """Methods and attributes of class `name` in the source file `module`.py, with those of its bases in that file."""
    return frozenset(_names(_classes(module), name))


def may_have(root: str, module: str, name: str, member: str) -> bool:
    """Whether a class has this member, by the texts below `root`; what these leave open may be."""
    where = os.path.join(root, *module.split("."))
    classes = _classes(where)
    if not readable(where) or (name not in classes and name in top_level(where)):
        return True
    if name not in classes:
        return False
    if member in _names(classes, name):
        return True
    imported = _imported(where)
    for base in (base.id if isinstance(base, ast.Name) else "" for base in classes[name].bases):
        if base in classes:
            if may_have(root, module, base, member):
                return True
        elif base not in _PLAIN and (base not in imported or may_have(root, imported[base], base, member)):
            return True
    return False


def _imported(where: str) -> dict[str, str]:
    """Names that the text of a module imports from other modules, and which those are."""
    found = {}
    for part in _body(where):
        if isinstance(part, ast.ImportFrom) and part.module and not part.level:
            found.update({alias.asname or alias.name: part.module for alias in part.names})
    return found


def readable(module: str) -> bool:
    """Whether there is a text of this module, and it can be parsed."""
    return bool(_body(module))


def top_level(module: str) -> frozenset[str]:
    """Functions, classes and constants that the text of a module defines or imports."""
    found: set[str] = set()
    for part in _body(module):
        found |= _name_of(part)
    return frozenset(found)


def _files(module: str) -> tuple[str, str]:
    return f"{module}.py", os.path.join(module, "__init__.py")


def _classes(module: str) -> dict[str, ast.ClassDef]:
    return {part.name: part for part in _body(module) if isinstance(part, ast.ClassDef)}


@cache
def _body(module: str) -> list[ast.stmt]:
    for file in _files(module):
        if os.path.exists(file):
            with open(file, encoding="utf-8") as source:
                try:
                    return list(_flat(ast.parse(source.read()).body))
                except SyntaxError:
                    return []
    return []


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those under a condition or in a `try` included."""
    for part in body:
        if isinstance(part, ast.If | ast.Try):
            yield from _flat(part.body)
            yield from _flat(part.orelse)
            for handler in getattr(part, "handlers", ()):
                yield from _flat(handler.body)
        else:
            yield part


def _name_of(part: ast.stmt) -> set[str]:
    """What one statement defines."""
    if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {part.name}
    if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.value is not None:
        return {part.target.id}
    if isinstance(part, ast.Assign):
        return {target.id for target in part.targets if isinstance(target, ast.Name)}
    if isinstance(part, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in part.names}
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
