"""Known faults: a file that names them, so that they do not count as found and do not hide the next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sim.cases.kinds import EVENTS, OPERATIONS
from sim.errors import InputError
from sim.fuzz.faults import ANY, Fault, Shown
from sim.scenario import ScenarioError
from sim.scenario.errors import ValueProblem, choose
from sim.scenario.explain import explain
from sim.scenario.places import parse, read_text

VerdictName = Literal[
    "leak", "double-free", "alias", "silent", "false-alarm", "watermark", "corrupt", "stuck", "crash"
]
KINDS = (*OPERATIONS, *EVENTS)
_Part = ConfigDict(extra="forbid", strict=True)


class KnownFault(BaseModel):
    """One fault that is known."""

    model_config = _Part

    verdict: VerdictName = Field(description="Its verdict.", examples=["leak"])
    pool: Literal["full", "swa", "mamba", "rows"] | None = Field(default=None, description="Its pool; default: any.")
    cause: str = Field(description="Its cause, as the fuzzer prints it.", examples=["row … was overwritten …"])
    ends: bool = Field(
        default=False, description="Whether all that comes after it in the same case may follow from it."
    )
    where: list[str] = Field(
        default=[],
        description="Known only where one of these has happened, as the fuzzer names them.",
        examples=[["concurrent turn"]],
    )
    observed: bool = Field(
        default=False, description="Known only on a real release, whose observer tells less than the model."
    )
    about: str | None = Field(default=None, description="What it is.")
    scenario: str | None = Field(default=None, description="The scenario that shows it.")

    @field_validator("where")
    @classmethod
    def _kinds(cls, value: list[str]) -> list[str]:
        for index, kind in enumerate(value):
            if kind not in KINDS:
                raise ValueProblem(f"nothing is called `{kind}`", choose(kind, KINDS), (index,))
        return value

    def covers(self, fault: Fault, happened: Collection[str] | None) -> bool:
        """Whether this is that fault, in a case in which that has happened; where nobody knows, it may have."""
        same = self.verdict == fault.verdict and self.pool in (None, fault.pool)
        if not same or _plain(self.cause) != _plain(fault.cause):
            return False
        if self.observed and happened is not None:
            return False
        return not self.where or happened is None or any(kind in happened for kind in self.where)


class KnownFaults(BaseModel):
    """A file of known faults."""

    model_config = _Part

    about: str | None = Field(default=None, description="Of what they are the faults.")
    faults: Annotated[list[KnownFault], Field(min_length=1)] = Field(
        description="The faults.", examples=[[{"verdict": "leak", "cause": "…"}]]
    )


class Accepted:
    """The faults that one campaign leaves alone."""

    def __init__(self, known: Iterable[KnownFault] = ()) -> None:
        self.known = tuple(known)
        self._by_cause: dict[str, list[KnownFault]] = {}
        for one in self.known:
            self._by_cause.setdefault(_plain(one.cause), []).append(one)

    def more(self, faults: Iterable[Fault]) -> Accepted:
        """These as well, wherever they show."""
        return Accepted((*self.known, *(KnownFault(verdict=f.verdict, pool=f.pool, cause=f.cause) for f in faults)))

    def __contains__(self, fault: Fault) -> bool:
        return self.entry(fault) is not None

    def entry(self, fault: Fault, happened: Collection[str] | None = None) -> KnownFault | None:
        """What is known of a fault in a case in which that has happened; None if nothing is."""
        known = self._by_cause.get(_plain(fault.cause), ())
        return next((one for one in known if one.covers(fault, happened)), None)

    def news(self, shown: Iterable[Shown]) -> Iterator[Shown]:
        """Of what one case shows, in order, what is not known; nothing after a known fault that ends the case."""
        for one in shown:
            known = self.entry(one.fault)
            if known is None:
                yield one
            elif known.ends:
                return


def load_accepted(paths: Iterable[Path]) -> Accepted:
    """What these files know; InputError with place and remedy."""
    known: list[KnownFault] = []
    for path in paths:
        try:
            tree = parse(read_text(path), str(path))
            try:
                known += KnownFaults.model_validate(tree.plain()).faults
            except ValidationError as error:
                raise explain(error, tree, KnownFaults) from None
        except ScenarioError as error:
            raise InputError(str(error)) from error
    return Accepted(known)


def _plain(cause: str) -> str:
    """Three dots are as good as an ellipsis; spaces do not count."""
    return " ".join(cause.replace("...", ANY).split())
