"""What there is: releases, fixes, policies, scenarios. Nothing heavy is imported to say so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.folders import scenario_files

Entry = dict[str, Any]
WHAT = ("releases", "fixes", "policies", "scenarios")


def entries(what: str, folder: Path) -> list[Entry]:
    """The entries of one list, each with a name and one line about it."""
    if what == "releases":
        return list(_releases())
    if what == "fixes":
        return list(_fixes())
    if what == "policies":
        return list(_policies())
    return list(_scenarios(folder))


def _releases() -> Iterator[Entry]:
    from policies.releases import RELEASES

    for name, release in RELEASES.items():
        yield {"name": name, "about": _first_line(getattr(release, "about", ""))}


def _fixes() -> Iterator[Entry]:
    from policies.fixes import FIXES

    for number, fix in sorted(FIXES.items()):
        entry: Entry = {"name": number, "title": fix.title, "about": fix.summary}
        if fix.superseded_by:
            entry["superseded_by"] = fix.superseded_by
        yield entry


def _policies() -> Iterator[Entry]:
    """Every variant of every decision, read from the source: importing it would import torch."""
    import policies

    for file in sorted(Path(policies.__path__[0]).glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                constants = _constants(node)
                if "decision" in constants and "name" in constants:
                    name = f"{constants['decision']}: {constants['name']}"
                    yield {"name": name, "about": _first_line(ast.get_docstring(node) or "")}


def _constants(node: ast.ClassDef) -> dict[str, Any]:
    return {
        statement.target.id: statement.value.value
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(statement.value, ast.Constant)
    }


def _scenarios(folder: Path) -> Iterator[Entry]:
    if not folder.is_dir():
        raise InputError(f"{folder}:1:1: there is no such folder; write the folder that holds your scenarios")
    for file in scenario_files(folder):
        head = _head(file)
        yield {"name": head.get("name", file.stem), "path": str(file), "about": head.get("about", "")}


def _head(file: Path) -> dict[str, str]:
    """The one-line keys at the top level of a scenario; reading the whole of it is the run's business."""
    found: dict[str, str] = {}
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, colon, value = line.partition(":")
            if colon and key in ("name", "about"):
                found.setdefault(key, value.strip().strip("\"'"))
    return found


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
