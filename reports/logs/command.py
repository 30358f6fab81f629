"""`kvledger log`: what is printed and written."""

from __future__ import annotations

import json as json_module
from contextlib import AbstractContextManager
from pathlib import Path

from reports.errors import ReportError
from reports.logs.result import examine
from reports.logs.text import lines


def log(path: Path, out: Path | None, *, json: bool, during: AbstractContextManager[object]) -> int:
    """Read a log, `during` what is to last as long, and say what it amounts to; 1 if something was found."""
    with during:
        result = examine(path)
    page: Path | None = None
    unwritten: ReportError | None = None
    if out is not None:
        from reports.logs.write import write

        try:
            page = write(result, out)
        except ReportError as error:
            # What was found is said all the same.
            unwritten = error
    if json:
        print(json_module.dumps(result.to_json(), indent=1))
    else:
        for line in lines(result):
            print(line)
        if page is not None:
            print(f"report: {page}")
    if unwritten is not None:
        raise unwritten
    return 0 if result.ok else 1
