"""The lane for pull requests: a Hypothesis state machine that drives a scheduler until its books break.

from sim.fuzz import accounting_machine

TestMine = accounting_machine(release="sglang-0.5.11", policy=MyPolicy).TestCase
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, Literal

from hypothesis import HealthCheck, Phase
from hypothesis import settings as Settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.strategies import SearchStrategy

from sim.cli import cache_folder
from sim.config import RunConfig
from sim.engines.select import MODEL, Choice, Engines, check
from sim.errors import InputError
from sim.fuzz.accept import load_accepted
from sim.fuzz.driven import AccountingFault, Aim
from sim.fuzz.rules import AccountingMachine
from sim.fuzz.strategies import configs
from sim.fuzz.subject import DEFAULT_RELEASE, Subject
from sim.setup import choose_release

__all__ = ["AccountingFault", "accounting_machine"]
OUT = Path("out/fuzz")

# What is set here must not depend on where it runs: on a CI server Hypothesis would forget what it has found.
# Explaining traces every line that runs; making it small is left to ours where it has to be quick.
_EXPLAINED = [phase for phase in Phase if phase is not Phase.explain]
_COMMON = Settings(
    deadline=None, derandomize=False, database=DirectoryBasedExampleDatabase(".hypothesis/examples"), print_blob=True,
    suppress_health_check=list(HealthCheck), phases=_EXPLAINED,
)  # fmt: skip
Settings.register_profile(
    "kvledger-quick", _COMMON, max_examples=100, stateful_step_count=40, report_multiple_bugs=False,
    phases=[phase for phase in _EXPLAINED if phase is not Phase.shrink],
)  # fmt: skip
Settings.register_profile("kvledger-ci", _COMMON, max_examples=1000, stateful_step_count=50)
Settings.register_profile("kvledger-soak", _COMMON, max_examples=30_000, stateful_step_count=80)
Profile = Literal["quick", "ci", "soak"]


def accounting_machine(
    release: str | None = None,
    revert: Iterable[int] = (),
    add: Iterable[int] = (),
    policy: str | type | None = None,
    engine: str = MODEL,
    accept: str | Path | Iterable[str | Path] = (),
    config: RunConfig | SearchStrategy[RunConfig] | None = None,
    settings: Settings | Profile = "quick",
    out: str | Path = OUT,
    attempts: int = 1500,
    sglang_src: str | Path | None = None,
) -> type[AccountingMachine]:
    """A state machine that drives this scheduler and fails at the first verdict that is not accepted.

    `release` is one of the model (default: the newest); `engine` is a real one, which is what it is, but for fixes that
    are taken out of it. `policy` is `FILE.py:CLASS` or the class; `accept` names files of known faults; `config` is
    what all examples run with, or a strategy (`sim.fuzz.strategies.configs`); what is found is made small in so many
    `attempts` and written into a folder of `out`. With any configuration, `ci` and `soak` also fail, at the end, where
    something never occurred: of what answers tell, or of all; `missing()` names it after any run.
    """
    check(engine)
    choice = Choice(spec=engine, path=None if sglang_src is None else Path(sglang_src), cache=cache_folder())
    subject = Subject(release=release or DEFAULT_RELEASE, revert=tuple(revert), add=tuple(add), choice=choice)
    if choice.real:
        for name, value in (("release", release), ("add", subject.add), ("policy", policy)):
            if value:
                raise InputError(f"{name}: {engine} is the release that it is; leave {name} out, or the engine")
        subject.check()
    subject = subject.at_home()
    identity = replace(subject.identity("fuzz"), policy=policy)
    if not choice.real:
        choose_release(identity)
    known = [accept] if isinstance(accept, str | Path) else accept
    aim = Aim(
        identity=identity, subject=subject, engines=Engines(choice), accepted=load_accepted(map(Path, known)),
        configs=configs() if config is None else st.just(config) if isinstance(config, RunConfig) else config,
        out=Path(out), attempts=attempts,
    )  # fmt: skip
    # The name is what Hypothesis keeps examples under: each subject has its own.
    under = "" if policy is None else f"_under_{policy if isinstance(policy, str) else policy.__qualname__}"
    name = re.sub(r"\W+", "_", f"AccountingMachine_{subject.title}{under}")
    body = {"aim": aim, "operations": Counter(), "events": Counter(), "__module__": __name__}
    machine: Any = type(name, (AccountingMachine,), body)
    case = machine.TestCase
    case.settings = settings if isinstance(settings, Settings) else Settings.get_profile(f"kvledger-{settings}")
    if config is None and settings in ("ci", "soak"):
        case.runTest = _strict(machine, case.runTest, told=settings == "ci")
    case.tearDownClass = classmethod(lambda _: aim.engines.close())
    made: type[AccountingMachine] = machine
    return made


def _strict(machine: type[AccountingMachine], run: Callable[[Any], None], *, told: bool) -> Callable[[Any], None]:
    """The same test, which has not passed where something never occurred."""

    @wraps(run)
    def run_test(case: Any) -> None:
        run(case)
        missing = machine.missing(told=told)
        if missing:
            names = ", ".join(missing)
            raise AssertionError(f"{len(missing)} kinds did not occur: {names}; play more, or see why they cannot")

    return run_test
