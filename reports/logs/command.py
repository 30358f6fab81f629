"""`kvledger log`: what is printed and written."""

from __future__ import annotations

import json as json_module
from pathlib import Path

from reports.logs.result import examine
from reports.logs.text import lines


def log(path: Path, out: Path | None, *, json: bool) -> int:
    """Read a log and say what it amounts to; 1 if something was found."""
    result = examine(path)
    page: Path | None = None
    if out is not None:
        from reports.logs.write import write

        page = write(result, out)
    if json:
        print(json_module.dumps(result.to_json(), indent=1))
    else:
        for line in lines(result):
            print(line)
        if page is not None:
            print(f"report: {page}")
    return 0 if result.ok else 1
