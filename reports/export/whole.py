"""Files that are there whole or not at all, and packages that need not be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from reports.errors import ReportError


@contextlib.contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into: beside its place, and renamed once it is complete."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                yield file
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ReportError(f"{path}: cannot be written: {reason}; free space or choose another --out") from None


def optional(module: str) -> Any:
    """A module of the extra `export`."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise ReportError(f"{package} is not installed; pip install 'kvledger[export]'") from None
