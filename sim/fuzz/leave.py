"""What a finding leaves: a folder of fixed names with the scenario, a test, and all that a run of it records."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.config import RunConfig
from sim.engines.marks import Timed
from sim.engines.select import Engines
from sim.errors import InputError
from sim.fuzz.faults import Fault
from sim.fuzz.found import Found
from sim.fuzz.smallest import Smallest
from sim.fuzz.subject import Subject
from sim.play import play
from sim.record import prepare, write_whole
from sim.retrace import retrace
from sim.scenario.model import ExpectVerdict
from sim.scenario.writer import scenario_text
from sim.setup import Stage


@dataclass(frozen=True, kw_only=True)
class Left:
    """Where a finding lies, the line that runs it again, and what went wrong in writing it."""

    folder: Path
    command: str
    problem: str | None = None


def leave_drawn(subject: Subject, found: Found, folder: Path) -> Left:
    """The case as it was drawn, at once: nothing that is printed can be lost."""
    case = found.case
    text = _scenario(subject, folder, found.fault, case.config, case.actions)
    return _written(subject, folder, {"scenario.yaml": text})


def leave(subject: Subject, small: Smallest, folder: Path) -> Left:
    """The smallest case: its scenario, its test, and the records and the report of a run of it."""
    expected = [ExpectVerdict(verdict=v.verdict, pool=v.pool, size=v.size) for v in small.verdicts]
    text = _scenario(subject, folder, small.fault, small.config, small.actions, list(dict.fromkeys(expected)))
    left = _written(subject, folder, {"scenario.yaml": text, file_of_test(folder): _test(subject, small)})
    if left.problem is not None:
        return left
    try:
        _record(subject, small, folder)
    except InputError as error:
        return Left(folder=folder, command=left.command, problem=str(error))
    return left


def _scenario(
    subject: Subject, folder: Path, fault: Fault, config: RunConfig, actions: Sequence[Timed],
    expect: Sequence[ExpectVerdict] = (),
) -> str:  # fmt: skip
    identity = subject.written(folder.name, config)
    return scenario_text(
        name=folder.name, about=str(fault), identity=identity, config=config, actions=actions, expect=expect
    )


def _record(subject: Subject, small: Smallest, folder: Path) -> None:
    from reports import ReportError, build

    with (
        Engines(subject.choice) as engines,
        Stage(subject.identity(folder.name), small.config, folder, engines=engines, blames=True) as stage,
    ):
        ending = play(stage.driver, small.actions, small.config)
        stage.end(ending)
        stage.conclude(ending)
        retrace(folder, engines, subject.policy)
    try:
        build([folder], folder)
    except ReportError as error:
        raise InputError(str(error)) from error


def _written(subject: Subject, folder: Path, files: dict[str, str]) -> Left:
    command = " ".join(["kvledger run", shlex.quote(f"{folder}/scenario.yaml"), subject.options]).rstrip()
    try:
        prepare(folder)
        for name, text in files.items():
            write_whole(folder / name, text)
    except InputError as error:
        return Left(folder=folder, command=command, problem=str(error))
    return Left(folder=folder, command=command)


def file_of_test(folder: Path) -> str:
    """Names of their own: tests of several findings are run together."""
    return f"test_{re.sub(r'[^0-9A-Za-z]+', '_', folder.name)}.py"


def _test(subject: Subject, small: Smallest) -> str:
    arguments = ['Path(__file__).with_name("scenario.yaml")']
    if subject.choice.real:
        arguments.append(f"engine={subject.choice.spec!r}")
        if subject.choice.path is not None:
            arguments.append(f"sglang_src={str(subject.choice.path)!r}")
    if subject.policy is not None:
        arguments.append(f"policy={subject.policy!r}")
    name = re.sub(r"\W+", "_", f"{small.fault.verdict}_{small.fault.pool}")
    return (
        f'"""{small.fault.verdict} in pool {small.fault.pool}, {small.origin}: passes once it is gone."""\n\n'
        "from pathlib import Path\n\n"
        "from sim.fuzz import assert_clean\n\n\n"
        f"def test_no_{name}():\n"
        f"    assert_clean({', '.join(arguments)})\n"
    )
