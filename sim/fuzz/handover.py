"""A fault that the machine has found, handed over as a campaign hands over its own: a folder with the smallest case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from sim.cases.case import Case
from sim.config import RunConfig
from sim.engines.marks import Timed
from sim.fuzz.faults import Fault
from sim.fuzz.found import Found
from sim.fuzz.leave import Left, leave
from sim.fuzz.smallest import Smallest, smallest
from sim.fuzz.subject import Subject
from sim.fuzz.trial import Player


@dataclass(frozen=True, kw_only=True)
class Handed:
    """The smallest case, and where it lies."""

    small: Smallest
    left: Left

    def __str__(self) -> str:
        lines = [str(self.small.fault)]
        if self.small.before:
            lines.append(f"after {self.small.before[0]}")
        if self.small.fixed_by:
            lines.append(f"goes away with {' or '.join(map(str, self.small.fixed_by))}")
        lines += [self.left.command] if self.left.problem is None else [self.left.command, self.left.problem]
        path = self.left.folder / "scenario.yaml"
        return "\n".join([*lines, "", path.read_text() if path.is_file() else ""])


def hand_over(
    subject: Subject, config: RunConfig, actions: Sequence[Timed], fault: Fault, out: Path, attempts: int
) -> Handed:
    """Make it still smaller, and write it into a folder of `out` that is named after the fault."""
    case = Case(seed=config.seed, config=config, actions=tuple(actions))
    found = Found(origin="an example of Hypothesis", case=case, fault=fault, size=0)
    with Player(subject) as player:
        small = smallest(player, found, attempts)
    folder = out / f"{fault.verdict}-{fault.pool}-{crc32(str(fault).encode()):08x}"
    return Handed(small=small, left=leave(subject, small, folder))
