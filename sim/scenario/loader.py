"""A scenario file, read and checked: text → nodes → pydantic → the dataclasses of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from sim.operations import Open
from sim.scenario import build
from sim.scenario.absent import effect_problems, expected_pool_problems
from sim.scenario.actions import actions
from sim.scenario.errors import ScenarioError, choose
from sim.scenario.explain import explain
from sim.scenario.limits import scheduler_problems, size_problems
from sim.scenario.model import Fleet, Scenario, ScriptedSession, Source, Variant
from sim.scenario.names import duplicates, names_in, names_of
from sim.scenario.places import Node, merge, parse, read_text
from sim.scenario.poollimits import pool_problems
from sim.scenario.pools import EITHER
from sim.scenario.releases import refuses_sessions, release_problems
from sim.scenario.schema import DEFAULT_VARIANT, ScenarioFile, Settings
from sim.scenario.sizes import machine_memory
from sim.scenario.triggers import bound_problems, expectation_problems, injection_problems, session_problems

_Model = TypeVar("_Model", bound=BaseModel)


def load_file(path: Path, *, memory: int | None = None) -> Scenario:
    """The scenario in this file; `memory` is what a run may use, default: what the machine has."""
    return load_text(read_text(path), str(path), memory=memory)


def load_text(text: str, path: str, *, memory: int | None = None) -> Scenario:
    """The scenario that this text spells; `path` is where it says it stands."""
    tree = parse(text, path)
    file = validated(ScenarioFile, tree)
    name = file.name or re.sub("[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-._") or "scenario"
    reader = _Reader(file, tree, machine_memory() if memory is None else memory)
    variants = reader.variants()
    return Scenario(name=name, about=file.about or "", path=path, variants=variants, source_text=text)


def validated(model: type[_Model], tree: Node) -> _Model:
    """What this tree spells; ScenarioError with the first thing wrong."""
    try:
        return model.model_validate(tree.plain())
    except ValidationError as error:
        raise explain(error, tree, model) from None


class _Reader:
    """Builds the variants of a file, collects what is wrong, and says the first of it."""

    def __init__(self, file: ScenarioFile, tree: Node, memory: int) -> None:
        self._file = file
        self._tree = tree
        self._memory = memory
        sources = zip(file.workload, self._nodes("workload"), strict=True)
        self._workload: tuple[Source, ...] = tuple(build.source(part, node) for part, node in sources)
        self._inject = build.injections(file.inject, self._nodes("inject"))
        self._operations = actions(file.operations, self._nodes("operations"))
        spelled = bool(self._operations)
        self._names = names_in(self._operations) if spelled else names_of(self._workload, self._inject)
        self._expect = {
            name: build.expect(part, self._tree.find("expect", name) or tree)
            for name, part in file.expect.items()
        }

    def variants(self) -> dict[str, Variant]:
        """Every variant, if nothing is wrong with any."""
        settings = self._settings()
        problems = [*self._common_problems(list(settings))]
        variants = {}
        for name, (part, node) in settings.items():
            variants[name] = self._variant(name, part)
            problems += self._variant_problems(variants[name], part, node)
        if not problems:
            problems += effect_problems((variants[name], node) for name, (_, node) in settings.items())
        if problems:
            raise min(problems, key=lambda problem: (problem.place.line, problem.place.column))
        return variants

    def _nodes(self, key: str) -> list[Node]:
        node = self._tree.find(key)
        return [] if node is None else node.items()

    def _settings(self) -> dict[str, tuple[Settings, Node]]:
        """For each variant the file's settings with its own laid on top."""
        tree = self._tree
        common = {key: node for key, node in tree.value.items() if key in Settings.model_fields}
        base = Node(tree.place, common, tree.end, tree.keys)
        nodes = {DEFAULT_VARIANT: base}
        if self._file.variants:
            written = tree.find("variants")
            assert written is not None, "validated: the variants were read from here"
            nodes = {
                name: base if node.value is None else merge(base, node, EITHER)
                for name, node in written.value.items()
            }
        return {name: (validated(Settings, node), node) for name, node in nodes.items()}

    def _variant(self, name: str, settings: Settings) -> Variant:
        written = self._tree.find("variants")
        return Variant(
            name=name,
            config=build.run_config(settings),
            release=settings.release,
            revert=tuple(settings.revert),
            add=tuple(settings.add),
            decide=dict(settings.decide),
            workload=self._workload,
            inject=self._inject,
            operations=self._operations,
            until=build.until(settings.until),
            expect=self._expect.get(name),
            place=self._tree.place if written is None else written.keys.get(name, written.place),
        )

    def _common_problems(self, variants: list[str]) -> Iterator[ScenarioError]:
        yield from duplicates(self._workload)
        yield from session_problems(self._workload)
        yield from injection_problems(self._inject, self._names)
        for name, expect in self._expect.items():
            expected = self._tree.find("expect")
            assert expected is not None, "validated: the expectations were read from here"
            if name not in variants:
                place = expected.keys[name]
                yield ScenarioError(place, f"there is no variant `{name}`", choose(name, variants))
            yield from expectation_problems(expect, self._names)

    def _variant_problems(self, variant: Variant, settings: Settings, node: Node) -> Iterator[ScenarioError]:
        unknown = list(release_problems(settings, node))
        yield from unknown
        yield from pool_problems(variant.config, node, self._memory)
        yield from size_problems(variant.config, node)
        sessions = any(isinstance(source, ScriptedSession | Fleet) for source in self._workload)
        sessions = sessions or any(isinstance(what, Open) for _, what in self._operations)
        yield from scheduler_problems(
            variant.config,
            node,
            release=variant.release,
            gated=not unknown and refuses_sessions(variant),
            sessions=sessions,
        )
        expected = self._tree.find("expect", variant.name)
        if expected is not None:
            yield from expected_pool_problems(expected, variant.config.pool)
        points = variant.expect.points if variant.expect is not None else ()
        yield from bound_problems([one.trigger for one in self._inject], variant.until)
        yield from bound_problems([point.trigger for point in points], variant.until)
