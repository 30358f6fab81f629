"""What is compared: a release, whole or with changes taken out; on one side ours, on the other the real one."""

from __future__ import annotations

from dataclasses import dataclass

from sim.cases.matrix import KINDS, Pools
from sim.engines.select import release_of
from sim.errors import InputError
from sim.setup import Identity

_WINDOWED: tuple[Pools, ...] = ("swa", "both")
_RECURRENT: tuple[Pools, ...] = ("no_buffer", "extra_buffer", "both")
_ABOUT: dict[int, tuple[Pools, ...]] = {
    21404: _RECURRENT[:2], 22900: _WINDOWED, 23327: _RECURRENT, 23496: _RECURRENT,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Target:
    """A version of the release, and the numbers of the fixes that are taken out of it."""

    version: str
    reverts: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """As it is written on the command line."""
        return "-".join([self.version, *map(str, self.reverts)])

    @property
    def pools(self) -> tuple[Pools, ...]:
        """The kinds of pools on which it can differ from the whole release: all, or those that its fixes are about."""
        about = {kind for number in self.reverts for kind in _ABOUT.get(number, KINDS)}
        return tuple(kind for kind in KINDS if kind in about) if self.reverts else KINDS

    def identity(self, scenario: str) -> Identity:
        """The model of it."""
        release = release_of(self.version)
        assert release is not None, "parse() refuses what has no model"
        return Identity(scenario=scenario, variant=self.name, release=release, revert=self.reverts)


def parse(text: str) -> Target:
    """The target of this name; what is wrong with it is said in one line."""
    version, *numbers = text.split("-")
    if release_of(version) is None:
        raise InputError(f"target {text}: there is no model of {version}; write 0.5.10.post1 or 0.5.11")
    if not all(number.isdigit() for number in numbers):
        raise InputError(f"target {text}: write VERSION-NUMBER-NUMBER, as 0.5.11-22862")
    return Target(version=version, reverts=tuple(sorted(int(number) for number in numbers)))


_SINGLE = (22753, 22790, 22862, 22897, 22651, 22273, 21875, 21404, 22900, 23327, 23496)
_TOGETHER = ((22862, 21875), (22790, 22273), (22753, 22862))

WHOLE = (Target(version="0.5.10.post1"), Target(version="0.5.11"))
ALL = (
    *WHOLE,
    *(Target(version="0.5.11", reverts=(number,)) for number in _SINGLE),
    *(Target(version="0.5.11", reverts=tuple(sorted(numbers))) for numbers in _TOGETHER),
)
