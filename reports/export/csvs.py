"""Tables as CSV (RFC 4180, UTF-8): a text that a spreadsheet would run as a formula gets an apostrophe before it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import Any

from reports.export.tables import Kind, Table
from reports.export.whole import whole

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")  # noqa: RUF001
"""Spreadsheets run what begins so, some after blanks; the apostrophe stands for itself by a second one."""


def write_csv(table: Table, folder: Path) -> Path:
    """Write one table; return its path."""
    path = folder / f"{table.name}.csv"
    converted = [(n, _CELLS[kind]) for n, kind in enumerate(table.columns.values()) if kind in _CELLS]
    with whole(path) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        out = csv.writer(text)
        out.writerow(table.columns)
        for row in table.rows:
            cells = list(row)
            for n, cell in converted:
                if cells[n] is not None:
                    cells[n] = cell(cells[n])
            out.writerow(cells)
    return path


def harmless(text: str) -> str:
    """The text as no spreadsheet runs it; one apostrophe before it, if any, is to be taken off again."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def _list(values: list[Any]) -> str:
    return dumps(values, ensure_ascii=False, separators=(",", ":")) if values else ""


_CELLS: dict[Kind, Callable[[Any], str]] = {"text": harmless, "texts": _list, "wholes": _list}
