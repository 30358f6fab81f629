"""One run read back from its folder: verdicts, series, options and the events around a cause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reports.damage import damage
from reports.errors import ADVICE, ReportError, not_as_written, unreadable
from reports.lines import MOST
from reports.moments import Moment, read_moments
from reports.series import Series, read_series

Whole = Annotated[int, Field(gt=-MOST, lt=MOST)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Cause(_Record):
    """The first posting that went wrong."""

    what: str
    event: Whole
    iteration: Whole | None = None
    time: float | None = None
    op: str | None = None
    request: str | None = None
    session: str | None = None
    slots: tuple[Whole, ...] = ()
    count: Whole | None = None


class Verdict(_Record):
    """One disagreement of books, ledger and canary, as verdicts.json has it."""

    verdict: str
    pool: str
    size: Whole
    event: Whole
    iteration: Whole | None = None
    time: float | None = None
    request: str | None = None
    session: str | None = None
    invariant: str | None = None
    cause: Cause | None = None
    detected_by: str | None = None
    detected_event: Whole | None = None
    detected_iteration: Whole | None = None
    latency_events: Whole | None = None
    message: str = ""

    @property
    def began(self) -> int:
        """The event of the cause."""
        return self.cause.event if self.cause else self.event

    @property
    def seen(self) -> int | None:
        """The event at whose end the release's own checks noticed; None if they never did."""
        if self.detected_event is not None:
            return self.detected_event
        return None if self.latency_events is None else self.began + self.latency_events


class Outcome(_Record):
    """What verdicts.json says of one variant."""

    release: str
    reverted: tuple[int, ...] = ()
    added: tuple[int, ...] = ()
    engine: str = "model"
    events: int
    checks: int
    iterations: int
    ok: bool
    verdicts: tuple[Verdict, ...] = ()
    expected: Any = ()
    unmet: tuple[str, ...] = ()

    @property
    def broken_off(self) -> str | None:
        """What is said of it if something ended the run before its time."""
        return next((line for line in self.unmet if line.startswith("the run was broken off")), None)


class _Document(_Record):
    scenario: str
    variants: dict[str, Outcome] = Field(min_length=1)


@dataclass(frozen=True)
class Run:
    """One variant of one scenario, run once."""

    folder: Path
    scenario: str
    variant: str
    outcome: Outcome
    series: Series
    meta: dict[str, Any]
    about: str = ""
    others: Mapping[str, Series] = field(default_factory=dict)
    moments: tuple[Moment, ...] = ()
    damaged: Mapping[str, str] = field(default_factory=dict)

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that the run had."""
        return ("full", *self.others)

    def on(self, pool: str) -> Run:
        """The same run, looked at from one of its other pools."""
        return replace(self, series=self.others[pool]) if pool in self.others else self

    def about_pool(self, verdict: Verdict) -> bool:
        """Whether a verdict belongs to the pool that is looked at; what is about none belongs to the full one."""
        return self.series.pool == (verdict.pool if verdict.pool in self.others else "full")

    @property
    def numbered(self) -> list[tuple[int, Verdict]]:
        """The verdicts of this pool, with their numbers in the table of all."""
        return [(n, v) for n, v in enumerate(self.outcome.verdicts, start=1) if self.about_pool(v)]

    @property
    def seen(self) -> Outcome:
        """The outcome with the verdicts of this pool only."""
        verdicts = tuple(v for v in self.outcome.verdicts if self.about_pool(v))
        return self.outcome.model_copy(update={"verdicts": verdicts}) if self.others else self.outcome


def is_run(folder: Path) -> bool:
    """Whether a run was written here."""
    return (folder / "verdicts.json").is_file() and (folder / "series.npz").is_file()


def read_run(folder: Path) -> Run:
    """Read one run's folder."""
    scenario, variant, outcome = read_outcome(folder)
    meta = read_meta(folder)
    pools = read_series(folder / "series.npz")
    damaged = damage(folder)
    return Run(
        folder=folder,
        scenario=scenario,
        variant=variant,
        outcome=outcome,
        series=pools.pop("full"),
        meta=meta,
        about=_about(folder / "scenario.yaml"),
        others=pools,
        moments=() if "moments.json" in damaged else read_moments(folder),
        damaged=damaged,
    )


def read_outcome(folder: Path) -> tuple[str, str, Outcome]:
    """Scenario, variant and what verdicts.json says of it."""
    path = folder / "verdicts.json"
    try:
        document = _Document.model_validate(_load(path))
    except ValidationError as error:
        raise not_as_written(path, error) from None
    variant = folder.name if folder.name in document.variants else next(iter(document.variants))
    return document.scenario, variant, document.variants[variant]


def read_meta(folder: Path) -> dict[str, Any]:
    """What meta.json says of how it was run; nothing where there is none."""
    path = folder / "meta.json"
    meta = _load(path) if path.is_file() else {}
    if not isinstance(meta, dict):
        raise ReportError(f"{path}:1:1: the document is not what a run writes; {ADVICE}")
    return meta


def _about(path: Path) -> str:
    """What the scenario says of itself; the report stands without it."""
    try:
        scenario = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    about = scenario.get("about") if isinstance(scenario, dict) else None
    return about if isinstance(about, str) else ""


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ReportError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}; {ADVICE}") from None
    except UnicodeDecodeError:
        raise ReportError(f"{path}: not UTF-8 text; {ADVICE}") from None
    except OSError as error:
        raise unreadable(path, error) from None
