"""The lane for pull requests: what it finds, what it leaves alone, and what it hands over."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import breaking
from helpers.planted import HeldMissesATokenOfMany
from helpers.sources import source_of
from hypothesis import settings

from policies.tail import FreedAtResume
from policies.user import PolicyError
from sim.cases.kinds import EVENTS, OPERATIONS
from sim.config import PoolConfig, RunConfig, SchedulerConfig
from sim.engines.protocol import Request
from sim.errors import InputError
from sim.fuzz import AccountingFault, accounting_machine
from sim.fuzz.faults import Fault
from sim.fuzz.occurred import TOLD
from sim.fuzz.strategies import configs
from sim.run import Options, run_paths
from sim.scheduler.streaming import require
from sim.world import Segment

PLAIN = configs(pools=("full",), speculative=False)
QUICK = settings(settings.get_profile("kvledger-quick"), database=None, derandomize=True)
SMALL = RunConfig(pool=PoolConfig(tokens=96, rows=12), scheduler=SchedulerConfig(max_running=4, session_gate=False))
KNOWN = """
about: what the release shows in this file
faults:
  - {verdict: stuck, pool: full, cause: "... wait, the first is ...; ... run, and nothing to come can change that"}
  - verdict: stuck
    cause: >-
      ... wait, the first is ...; ... run, and nothing to come can change that: admission finds
      no room in the full pool
  - verdict: corrupt
    pool: full
    cause: >-
      turn ... is made from a history of ..., but session ... has said ...: what was aborted, refused or retracted is
      no part of a conversation
  - {verdict: false-alarm, pool: full, cause: "request … owns …, the books count none of it"}
"""


@pytest.fixture
def accept(tmp_path):
    path = tmp_path / "known.yaml"
    path.write_text(KNOWN)
    return path


def run(machine, **changes):
    machine.TestCase.settings = settings(machine.TestCase.settings, **changes) if changes else machine.TestCase.settings
    machine.TestCase("runTest").runTest()


@pytest.fixture
def find(tmp_path, accept):
    """The fault that a machine finds, and what its scenario shows when it is run."""

    def found(**given):
        options = {"settings": QUICK, "out": tmp_path / "out", "accept": accept, "config": PLAIN, **given}
        with pytest.raises(AccountingFault) as caught:
            run(accounting_machine(**options), max_examples=400)
        return caught.value

    return found


def test_the_release_shows_nothing_but_what_is_known_of_it(accept, tmp_path):
    run(accounting_machine(accept=[accept], config=SMALL, settings=QUICK, out=tmp_path), max_examples=60)
    assert list(tmp_path.iterdir()) == [accept]


@pytest.mark.parametrize("fix", [22753, 22862])
def test_a_fix_that_is_taken_out_is_missed(find, fix):
    found = find(revert=[fix])
    message = str(found)
    assert f"kvledger run {found.folder}/scenario.yaml" in message
    assert (found.folder / "scenario.yaml").read_text() in message
    assert str(fix) in message.partition("goes away with ")[2].partition("\n")[0]
    ((_, result),) = run_paths([found.folder / "scenario.yaml"], Options())
    assert found.fault.verdict in [verdict.verdict for verdict in result.verdicts]
    assert result.reverted == (fix,)
    assert result.ok


@pytest.mark.parametrize("policy", [HeldMissesATokenOfMany, "tests/helpers/planted.py:HeldMissesATokenOfMany"])
def test_a_policy_is_a_class_or_a_file_and_a_class(find, policy):
    found = find(policy=policy, config=SMALL)
    assert found.fault.verdict == "false-alarm"
    assert re.search(r"kvledger run \S+ --policy \S*planted.py:HeldMissesATokenOfMany\n", str(found))


class Dies(FreedAtResume):
    """The first turn that ends is the last."""

    def released(self, cache, slot):
        require(False, "no")


def test_a_crash_that_is_known_ends_its_example_only(accept, find, tmp_path):
    assert find(policy=Dies).fault == Fault("crash", "full", "AssertionError: no")
    accept.write_text(f"{KNOWN}  - {{verdict: crash, cause: 'AssertionError: no'}}\n")
    run(accounting_machine(policy=Dies, accept=accept, config=SMALL, settings=QUICK, out=tmp_path), max_examples=20)


@pytest.mark.parametrize("policy", [breaking.Raises, breaking.Leaves, breaking.Breaks, breaking.Disagrees])
def test_what_a_policy_breaks_is_found_like_any_fault(find, policy):
    found = find(policy=policy, config=SMALL)
    assert found.fault.verdict == "crash"
    assert f"policy {policy.__name__}, in " in found.fault.cause
    assert re.search(rf"kvledger run \S+ --policy \S*breaking.py:{policy.__name__}\n", str(found))
    assert (found.folder / "events.jsonl").is_file()


FOUND = Path(__file__).parents[3] / "scenarios/found/known-sglang-0.5.11.yaml"


def test_a_real_release_shows_nothing_but_what_is_known_of_it(tmp_path):
    source_of("0.5.11")
    machine = accounting_machine(engine="sglang==0.5.11", accept=FOUND, settings=QUICK, out=tmp_path)
    run(machine, max_examples=12)
    machine.TestCase.tearDownClass()
    assert list(tmp_path.iterdir()) == []
    assert "step" not in machine.missing()
    assert set(machine.missing()) <= {*OPERATIONS, *TOLD}


def test_a_fix_that_is_taken_out_of_a_real_release_is_missed(find):
    source_of("0.5.11")
    found = find(engine="sglang==0.5.11", revert=[22862], config=SMALL, attempts=40)
    assert re.search(r"kvledger run \S+ --engine sglang==0.5.11\n", str(found))
    assert "22862" in str(found).partition("goes away with ")[2].partition("\n")[0]
    assert "release: sglang-0.5.11" in (found.folder / "scenario.yaml").read_text()


def test_a_scenario_of_a_real_release_names_the_one_that_it_is():
    source_of("0.5.10.post1")
    assert accounting_machine(engine="sglang==0.5.10.post1").aim.subject.release == "sglang-0.5.10"


def test_what_never_occurred_can_be_said(accept, tmp_path):
    machine = accounting_machine(accept=accept, config=SMALL, settings=QUICK, out=tmp_path)
    assert machine.missing() == [*OPERATIONS, *EVENTS]
    run(machine, max_examples=10)
    assert machine.operations["step"] >= machine.events["prefill"] > 0
    assert not {"step", "prefill", "decode"} & set(machine.missing())
    assert "window passed, decoding" in machine.missing()
    assert set(machine.missing(told=True)) <= {*OPERATIONS, *TOLD}


@pytest.mark.parametrize("profile", ["ci", "soak"])
def test_a_long_run_fails_at_its_end_where_something_never_occurred(profile, accept, tmp_path):
    machine = accounting_machine(accept=FOUND, settings=profile, out=tmp_path)
    few = settings(machine.TestCase.settings, max_examples=2, database=None, derandomize=True)
    machine.TestCase.settings = few
    with pytest.raises(AssertionError, match=r"\d+ kinds did not occur: .*; play more, or see why they cannot") as told:
        machine.TestCase("runTest").runTest()
    assert ("window passed, decoding" in str(told.value)) == (profile == "soak")
    limited = accounting_machine(accept=FOUND, config=SMALL, settings=profile, out=tmp_path)
    limited.TestCase.settings = few
    limited.TestCase("runTest").runTest()
    assert limited.missing()


def test_every_operation_can_be_done_by_hand():
    machine = accounting_machine(config=SMALL)()
    machine.begin(SMALL)
    machine.open("a", None)
    prompt = (Segment(name="a/1", length=5),)
    assert machine.next_rid("a") == "a/1"
    machine.talk(Request(rid="a/1", prompt=prompt, max_new=2, session="a"))
    assert machine.next_rid("a") == "a/2"
    assert machine.resting == ["a"]
    machine.close("a", 2)
    assert machine.opened == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"release": "sglang-0.5.1"}, "unknown release 'sglang-0.5.1'; write 'sglang-0.5.11'"),
        ({"revert": [1]}, "unknown fix 1; write one of"),
        ({"policy": "none.py:None"}, "none.py: no such file; write FILE.py:CLASS"),
        ({"policy": Request}, "fails when it is made"),
        ({"accept": "none.yaml"}, "none.yaml"),
        ({"engine": "sglang==9.9.9"}, "kvledger oracle fetch 9.9.9"),
        ({"engine": "sglang==0.5.11", "release": "sglang-0.5.11"}, "release: sglang==0.5.11 is the release that it is"),
        ({"engine": "sglang==0.5.11", "policy": "mine.py:X"}, "policy: sglang==0.5.11 is the release that it is"),
        ({"engine": "sglang==0.5.11", "add": [22753]}, "add: sglang==0.5.11 is the release that it is; leave add out"),
        ({"engine": "vllm"}, "--engine vllm: there is no such engine; write model"),
    ],
)
def test_what_cannot_be_driven_is_said_at_once(given, message):
    with pytest.raises((InputError, PolicyError)) as caught:
        accounting_machine(**given)
    assert message in str(caught.value)


def test_each_subject_has_examples_of_its_own():
    names = {accounting_machine(revert=revert).__name__ for revert in ((), (22753,), (22862,))}
    assert len(names) == 3
    assert accounting_machine(policy=HeldMissesATokenOfMany).__name__.endswith("_under_HeldMissesATokenOfMany")


@pytest.mark.parametrize("profile", ["quick", "ci", "soak"])
def test_a_profile_keeps_what_it_finds_wherever_it_runs(profile):
    chosen = accounting_machine(settings=profile).TestCase.settings
    assert chosen.database is not None
    assert not chosen.derandomize
    assert chosen.deadline is None


def test_importing_the_command_loads_neither_torch_nor_hypothesis():
    slow = ("torch", "hypothesis", "sim.fuzz.machine")
    code = f"import sys, sim.fuzz, sim.cli; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        __import__("sim.fuzz").fuzz.nothing  # noqa: B018
