"""What travels between a campaign and its processes: cases kept from before, and what was found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sim.cases.case import Case
from sim.fuzz.faults import Fault


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
        """Where it goes: named after what is found, and where."""
        where = re.sub(r"[^A-Za-z0-9]+", "-", self.origin).strip("-")
        return out / f"{self.fault.verdict}-{self.fault.pool}-{where}"
