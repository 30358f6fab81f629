"""A case: what is played on both engines. Plain data, drawn from one seed, the same for every target."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from sim.cases.drawing import Drawing
from sim.cases.flavour import draw_flavour
from sim.cases.knobs import draw_config
from sim.cases.matrix import KINDS, Cell, Pools, cell_of
from sim.config import RunConfig
from sim.engines.marks import Timed
from sim.operations import line_of
from sim.setup import Identity

LENGTH = 150


@dataclass(frozen=True, kw_only=True)
class Case:
    """A configuration, and operations with their times."""

    seed: int
    config: RunConfig
    actions: tuple[Timed, ...]
    pools: tuple[Pools, ...] = KINDS

    @property
    def cell(self) -> Cell:
        """Where it stands in the matrix of these pools."""
        return cell_of(self.seed, self.pools)

    def lines(self) -> list[str]:
        """Its operations as lines of ops.jsonl."""
        return [_line(time, what) for time, what in self.actions]

    def document(self, identity: Identity) -> str:
        """The whole ops.jsonl, as a run would have recorded it."""
        header: dict[str, Any] = {"kvledger": 1, **identity.to_json(), "config": self.config.spelled()}
        return json.dumps(header, separators=(",", ":")) + "\n" + "".join(self.lines())


def _line(time: float, what: Any) -> str:
    if isinstance(what, str):
        return json.dumps({"op": what, "t": time}, separators=(",", ":")) + "\n"
    return line_of(what, time)


def draw_case(seed: int, length: int = LENGTH, pools: tuple[Pools, ...] = KINDS) -> Case:
    """The case of this seed, in the matrix of these pools."""
    random, cell = Random(f"conform {seed}"), cell_of(seed, pools)
    flavour = draw_flavour(cell, random)
    config = draw_config(cell, seed, flavour, random)
    return Case(seed=seed, config=config, actions=Drawing(config, flavour, random).draw(length), pools=pools)
