"""Which field of which model a pydantic location names: for suggestions and examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic.fields import FieldInfo

Location: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Field:
    """A key that may be written, and what is said about it."""

    name: str
    info: FieldInfo

    @property
    def example(self) -> Any:
        """A value that may stand there."""
        assert self.info.examples, f"the field {self.name} has an example"
        return self.info.examples[0]


def field_at(model: type[BaseModel], loc: Location) -> Field | None:
    """The field whose value stands at this location; None where an element of a list does."""
    return _follow(model, loc)[0]


def keys_at(model: type[BaseModel], loc: Location) -> list[str]:
    """The keys that the mapping at this location may have."""
    here = next(_models(_follow(model, loc)[1]), None)
    return list(here.model_fields) if here is not None else []


def required_at(model: type[BaseModel], loc: Location) -> list[Field]:
    """What the mapping at this location must have."""
    here = next(_models(_follow(model, loc)[1]), None)
    fields = here.model_fields.items() if here is not None else ()
    return [Field(name, info) for name, info in fields if info.is_required()]


def _follow(model: type[BaseModel], loc: Location) -> tuple[Field | None, Any]:
    field: Field | None = None
    kind: Any = model
    for step in loc:
        holder = next((part for part in _models(kind) if step in part.model_fields), None)
        if holder is not None:
            name = str(step)
            field = Field(name, holder.model_fields[name])
            kind = field.info.annotation
            continue
        arm = next((arm for arm in _arms(kind) if _has_tag(arm, step)), None)
        # An arm of a union is still the field's own value; an element is not.
        field = field if arm is not None else None
        kind = arm if arm is not None else _element(kind, step)
    return field, kind


def _element(kind: Any, step: str | int) -> Any:
    """The type of a list's element, or of a mapping's value."""
    for arm in _arms(kind):
        bare = _bare(arm)
        if get_origin(bare) is list and isinstance(step, int):
            return get_args(bare)[0]
        if get_origin(bare) is dict and isinstance(step, str):
            return get_args(bare)[1]
    return None


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _has_tag(kind: Any, step: str | int) -> bool:
    marks = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return any(isinstance(mark, Tag) and mark.tag == step for mark in marks)


def _arms(kind: Any) -> Iterator[Any]:
    """The members of a union, and of a union in it; a type that is no union is its own only arm."""
    if get_origin(_bare(kind)) not in (Union, UnionType):
        yield kind
        return
    for arm in get_args(_bare(kind)):
        yield from _arms(arm)


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    for arm in _arms(kind):
        bare = _bare(arm)
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            yield bare
