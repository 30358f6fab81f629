"""What travels between a campaign and its processes: cases kept from before, and what was found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sim.cases.case import Case
from sim.fuzz.faults import Fault

_LONGEST = 40


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A case that was found before: played first."""

    origin: str
    case: Case


@dataclass(frozen=True, kw_only=True)
class Found:
    """A fault, and the first case that shows it: `origin` is its seed, or the file that holds it."""

    origin: str
    case: Case
    fault: Fault
    size: int

    def folder(self, out: Path) -> Path:
        """Where it goes: named after what is found, and where; a case that was kept there stays where it is."""
        kind = f"{self.fault.verdict}-{self.fault.pool}"
        kept = Path(self.origin)
        if kept.suffix != ".yaml":
            return out / f"{kind}-{_plain(self.origin)}"
        if kept.name != "scenario.yaml":
            return out / f"{kind}-{_plain(kept.stem)}"
        if kept.parent.parent == out and kept.parent.name.startswith(f"{kind}-"):
            return kept.parent
        seed = re.search(r"seed-\d+$", kept.parent.name)
        return out / f"{kind}-{seed[0] if seed else _plain(kept.parent.name)}"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:_LONGEST]
