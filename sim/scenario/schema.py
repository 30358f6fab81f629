"""What a scenario file may say: the pydantic model of the whole, and its JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from sim.scenario.errors import ValueProblem, one_of
from sim.scenario.injections import ExpectPart, InjectPart
from sim.scenario.operations import OperationPart
from sim.scenario.parts import Name, Text
from sim.scenario.pools import Pool
from sim.scenario.settings import SettingsPart
from sim.scenario.sources import SourcePart

DEFAULT_VARIANT = "default"


def _one_or_many(value: Any) -> str:
    return "Several" if isinstance(value, list) else "ExpectPart"


Expected = Annotated[
    Annotated[ExpectPart, Tag("ExpectPart")]
    | Annotated[list[ExpectPart], Field(min_length=1), Tag("Several")],
    Discriminator(_one_or_many),
]


class Settings(SettingsPart):
    """What one run is configured with."""

    pool: Pool = Field(description="The KV pool and its rows.", examples=[{"tokens": 1000}])


_BESIDE = ("workload", "inject", "until")
"""What cannot stand beside `operations`."""


class ScenarioFile(Settings):
    """A kvledger scenario: what arrives, what happens to it, and what the books must say."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["workload"], "not": {"required": ["operations"]}},
                {"required": ["operations"], "not": {"anyOf": [{"required": [key]} for key in _BESIDE]}},
            ]
        }
    )

    name: Name | None = Field(
        default=None, description="Name; default: the file's.", examples=["retract-tail"]
    )
    about: Text | None = Field(
        default=None, description="One line on what it shows.", examples=["a retried turn"]
    )
    workload: Annotated[list[SourcePart], Field(min_length=1)] = Field(
        default=[], description="What arrives.", examples=[[{"request": "r1", "prompt": 20, "output": 12}]]
    )
    operations: Annotated[list[OperationPart], Field(min_length=1)] = Field(
        default=[],
        description="Exactly what is done, one after another; in place of workload, inject and until.",
        examples=[[{"submit": "r1", "prompt": 20, "output": 12}, {"step": 12}]],
    )
    inject: list[InjectPart] = Field(
        default=[],
        description="What is done from outside.",
        examples=[[{"abort": "r1", "when": {"decoded": 3}}]],
    )
    variants: Annotated[dict[Name, SettingsPart | None], Field(min_length=1)] | None = Field(
        default=None,
        description="Runs that differ in some settings; default: one, called `default`.",
        examples=[{"before": {"revert": [22862]}, "after": {}}],
    )
    expect: dict[str, Expected] = Field(
        default={}, description="What each variant must show.", examples=[{"default": {"verdict": "clean"}}]
    )

    @field_validator("expect", mode="before")
    @classmethod
    def _by_variant(cls, value: Any, info: ValidationInfo) -> Any:
        """An expectation that stands where the names of variants belong."""
        names = list(info.data.get("variants") or (DEFAULT_VARIANT,))
        if isinstance(value, dict) and "verdict" in value and "verdict" not in names:
            raise ValueProblem("this is by variant", _under_each(value["verdict"], names), ("verdict",))
        return value

    @model_validator(mode="after")
    def _something_happens(self) -> Self:
        if not self.operations:
            if not self.workload:
                advice = "write e.g. `workload: [{request: r1, prompt: 20, output: 12}]`"
                raise ValueProblem("`workload` is missing", advice)
            return self
        given: list[tuple[str, ...]] = [(key,) for key in _BESIDE if key in self.model_fields_set]
        given += [
            ("variants", name, "until")
            for name, part in (self.variants or {}).items()
            if part is not None and "until" in part.model_fields_set
        ]
        if given:
            what = f"`{given[0][-1]}` cannot stand beside `operations`, which say exactly what happens"
            raise ValueProblem(what, "leave one of the two out", given[0])
        return self


def _under_each(verdict: Any, names: list[str]) -> str:
    """Advice: the same verdict under the name of a variant."""
    spelled = verdict[:24] if isinstance(verdict, str) else "clean"
    more = f"; the variants are {one_of(names)}" if len(names) > 1 else ""
    return f"write `{names[0]}: {{verdict: {spelled}}}`{more}"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file."""
    schema = ScenarioFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
