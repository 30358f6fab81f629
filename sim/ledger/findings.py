"""What a gatherer can find, in the words that the judge understands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolCount:
    """The true state of one pool, in tokens (rows, states: one by one)."""

    pool: str
    lost: int
    extra: int
    lost_units: tuple[int, ...]
    shared_units: tuple[int, ...]

    @property
    def error(self) -> int:
        """What an exact accounting would be off by."""
        return self.extra - self.lost


@dataclass(frozen=True, slots=True)
class Misread:
    """Text that is not what it should be: positions read back, or a prompt; `size` tokens of it."""

    rid: str
    session: str | None
    what: str
    size: int
    slots: tuple[int, ...]
    invariant: str = "INV-6"
    pool: str = "full"


@dataclass(frozen=True, slots=True)
class Breach:
    """A cursor out of order, a row with two live requests, or a lock that nobody holds."""

    invariant: str
    key: str
    text: str
    request: str | None
    session: str | None
    size: int
    pool: str = "full"


@dataclass(frozen=True, slots=True)
class Miscount:
    """One owner whose tokens the release counts wrongly."""

    session: str | None
    request: str | None
    counted: int
    true: int
    text: str
    pool: str = "full"
