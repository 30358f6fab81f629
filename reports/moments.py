"""The rows around each cause, event by event: read from moments.json."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from reports.errors import not_as_written, unreadable


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Row(_Record):
    """One row after one event: its cursors p ≤ c ≤ a and e, and the slots that it names."""

    row: int
    session: str | None = None
    request: str | None = None
    p: int
    c: int
    a: int
    e: int
    width: int
    slots: tuple[int, ...] = ()


class Step(_Record):
    """One event, and the rows after it of those whom the verdicts name."""

    event: int
    rows: tuple[Row, ...] = ()


class Moment(_Record):
    """The events around one cause; `verdicts` are places in the table of verdicts, counted from 0."""

    verdicts: tuple[int, ...]
    event: int
    steps: tuple[Step, ...] = ()


class Moments(_Record):
    """What moments.json holds; `lives` is the CRC of lives.jsonl, where one was taken."""

    lives: int | None = None
    moments: tuple[Moment, ...] = ()


def read_moments(folder: Path) -> tuple[Moment, ...]:
    """The moments of a run; none where nobody has looked inside."""
    return read_document(folder).moments


def read_document(folder: Path) -> Moments:
    """All of moments.json."""
    path = folder / "moments.json"
    if not path.is_file():
        return Moments()
    try:
        return Moments.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise not_as_written(path, error) from None
    except OSError as error:
        raise unreadable(path, error) from None
