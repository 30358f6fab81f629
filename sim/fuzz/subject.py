"""What is fuzzed: a release of the model, with or without some fixes, under a policy of the user's; or a real one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from functools import cached_property

from sim.config import RunConfig
from sim.engines.select import Choice, Engines, release_of
from sim.errors import InputError
from sim.setup import Identity, choose_release

DEFAULT_RELEASE = "sglang-0.5.11"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One scheduler under test. Plain data: it travels to the processes that play."""

    release: str = DEFAULT_RELEASE
    revert: tuple[int, ...] = ()
    add: tuple[int, ...] = ()
    decide: tuple[tuple[str, str], ...] = ()
    policy: str | None = None
    choice: Choice = field(default_factory=Choice)

    def check(self) -> None:
        """InputError if there is no such thing."""
        if self.choice.real:
            from policies.releases import UnknownChoice, check_fixes

            with Engines(self.choice) as engines:
                engines.source  # noqa: B018 - says what is wrong if there is none
            try:
                check_fixes(self.revert)
            except UnknownChoice as error:
                raise InputError(str(error)) from error
        else:
            choose_release(self.identity("fuzz"))

    def at_home(self) -> Subject:
        """The same under the release that a scenario of it names: a real one is what it is, or the nearest there is."""
        if not self.choice.real:
            return self
        with Engines(self.choice) as engines:
            return replace(self, release=release_of(engines.source.version) or DEFAULT_RELEASE)

    def identity(self, scenario: str) -> Identity:
        """Who a run of it is, in what it leaves."""
        return Identity(
            scenario=scenario, variant="default", release=self.release, revert=self.revert, add=self.add,
            decide=dict(self.decide), policy=self.policy,
        )  # fmt: skip

    def written(self, scenario: str, config: RunConfig) -> Identity:
        """The same in a scenario with this configuration: a policy is the command line's to name, and a choice about
        layers that are not there is none.
        """
        from policies.fixes import FIXES
        from policies.releases import POOL_OF

        pools = (None, *config.pool.names)
        return Identity(
            scenario=scenario, variant="default", release=self.release,
            revert=tuple(number for number in self.revert if FIXES[number].pool in pools),
            add=tuple(number for number in self.add if FIXES[number].pool in pools),
            decide={decision: name for decision, name in self.decide if POOL_OF.get(decision) in pools},
        )  # fmt: skip

    @cached_property
    def title(self) -> str:
        """In words."""
        words = [self.choice.spec if self.choice.real else self.release]
        if self.revert:
            words.append("without " + ", ".join(map(str, self.revert)))
        if self.add:
            words.append("with " + ", ".join(map(str, self.add)))
        words += [f"deciding {decision}: {name}" for decision, name in self.decide]
        if self.policy is not None:
            words.append(f"under {self.policy}")
        return " ".join(words)

    @property
    def options(self) -> str:
        """What `kvledger run` and `replay` need besides the scenario, which names the release itself."""
        words = [self.choice.option] if self.choice.real else []
        if self.policy is not None:
            words.append(f"--policy {shlex.quote(self.policy)}")
        return " ".join(words)

    def with_fix(self, number: int) -> Subject:
        """The same with this fix in."""
        if number in self.revert:
            return replace(self, revert=tuple(n for n in self.revert if n != number))
        return replace(self, add=tuple(sorted({*self.add, number})))

    def twin(self) -> Subject | None:
        """The model of it, if there is one."""
        return None if self.choice.path is not None else replace(self, choice=Choice()) if self.choice.real else self

    def fixes(self) -> tuple[int, ...]:
        """The fixes that are not in it, and can be put in."""
        from policies.fixes import FIXES

        return tuple(number for number in sorted(FIXES) if number not in self.add and self._takes(number))

    def _takes(self, number: int) -> bool:
        try:
            choose_release(self.with_fix(number).identity("fuzz"))
        except InputError:
            return False
        return True
