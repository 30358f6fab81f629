"""The rows of those whom a verdict names, event by event around its cause: read from moments.json."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from reports.errors import ReportError

_ADVICE = "run the scenario again with --out"
_CLOSED = " (closed)"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RowState(_Record):
    """One row after one event; its cursors are None, or 0, where nothing stands in it yet."""

    row: int | None = None
    session: str | None = None
    request: str | None = None
    p: int | None = 0
    c: int | None = None
    a: int | None = None
    e: int | None = 0
    width: int = 0
    slots: tuple[int, ...] = ()

    @property
    def who(self) -> str:
        """The session, open or closed, else the request: whose row it is."""
        return (self.session or self.request or "").removesuffix(_CLOSED)


class Step(_Record):
    """What stood in the rows after one event."""

    event: int
    rows: tuple[RowState, ...] = ()


class Moment(_Record):
    """The events around one cause; `verdicts` are indices into verdicts.json."""

    verdicts: tuple[int, ...]
    event: int
    steps: tuple[Step, ...]

    @property
    def names(self) -> list[str]:
        """Whose rows there are, in order of appearance."""
        return list(dict.fromkeys(row.who for step in self.steps for row in step.rows))

    def row_of(self, step: Step, who: str) -> RowState | None:
        """The row of one of them after a step; the one that a turn runs in, if there are two."""
        rows = [row for row in step.rows if row.who == who and row.a is not None]
        return min(rows, key=lambda row: row.request is None, default=None)


class _Document(_Record):
    moments: tuple[Moment, ...]


def read_moments(path: Path) -> tuple[Moment, ...]:
    """Read moments.json; empty if there is none, one clear line when it is damaged."""
    if not path.is_file():
        return ()
    try:
        document = _Document.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise ReportError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}; {_ADVICE}") from None
    except UnicodeDecodeError:
        raise ReportError(f"{path}: not UTF-8 text; {_ADVICE}") from None
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror}; give a readable folder") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise ReportError(f"{path}: {where}: {first['msg']}; {_ADVICE}") from None
    return document.moments
