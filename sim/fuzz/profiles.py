"""How much a campaign plays: a look, a pull request, a night."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Profile:
    """So many cases, or so many minutes; `strict`: every kind of event must occur; a fresh seed each time, or not."""

    cases: int
    minutes: float | None = None
    attempts: int = 1500
    strict: bool = False
    fresh: bool = False


PROFILES = {
    "quick": Profile(cases=500),
    "ci": Profile(cases=5000, strict=True),
    "soak": Profile(cases=0, minutes=60, attempts=4000, strict=True, fresh=True),
}
