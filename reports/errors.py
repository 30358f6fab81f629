"""What goes wrong when a report is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

ADVICE = "run the scenario again with --out"


class ReportError(Exception):
    """A folder is no run, or a file in it is damaged; the text is the one line to show."""


def not_as_written(path: Path, error: ValidationError) -> ReportError:
    """The complaint about a document that a run would have written otherwise."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the document"
    what = "is missing" if first["type"] == "missing" else "is not what a run writes"
    return ReportError(f"{path}:1:1: {where} {what}; {ADVICE}")


def unreadable(path: Path, error: OSError) -> ReportError:
    """The complaint about a file that is there and cannot be read."""
    return ReportError(f"{path}: cannot be read: {error.strerror}; give a readable folder")
