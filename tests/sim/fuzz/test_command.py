"""`kvledger fuzz` from outside."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from helpers import child as process

pytestmark = pytest.mark.usefixtures("place")
FEW = ("--max-examples", 8, "--seed", 1, "--jobs", 1)


@pytest.mark.usefixtures("in_process", "undrawn")
def test_what_is_found_is_printed_written_and_runs(kvledger):
    status, out, _ = kvledger("fuzz", "--revert", "22862", *FEW)
    assert status == 1
    assert "fuzzing sglang-0.5.11 without 22862, 8 cases" in out
    lines = [line.strip() for line in out.splitlines() if line.strip().startswith("kvledger run ")]
    assert lines
    told = json.loads(Path("out/fuzz/fuzz.json").read_text())
    assert len(lines) == len(told["findings"])
    for line, entry in zip(lines, told["findings"], strict=True):
        status, out, _ = kvledger(*line.split()[1:], "--out", "again", "--json")
        assert status == 0, line
        verdicts = json.loads(out)["variants"]["default"]["verdicts"]
        assert any((v["verdict"], v["pool"], v["size"]) == (entry["verdict"], entry["pool"], entry["size"])
                   for v in verdicts)  # fmt: skip


@pytest.mark.usefixtures("in_process", "undrawn")
def test_with_what_it_found_accepted_nothing_is_found(kvledger):
    kvledger("fuzz", "--revert", "22862", *FEW)
    told = json.loads(Path("out/fuzz/fuzz.json").read_text())
    known = [{key: entry[key] for key in ("verdict", "pool", "cause")} for entry in told["findings"]]
    Path("known.yaml").write_text(json.dumps({"faults": known}))
    status, out, _ = kvledger("fuzz", "--revert", "22862", *FEW, "--accept", "known.yaml", "--out", "second")
    assert "known, and accepted" in out
    again = json.loads(Path("second/fuzz.json").read_text())
    assert not {tuple(sorted(k.items())) for k in known} & {
        tuple(sorted((key, entry[key]) for key in ("verdict", "pool", "cause"))) for entry in again["findings"]
    }
    assert status == (1 if any(not entry["after"] for entry in again["findings"]) else 0)


@pytest.mark.usefixtures("in_process", "undrawn")
def test_what_was_found_is_played_first_the_next_time(kvledger):
    kvledger("fuzz", "--revert", "22862", *FEW)
    _, out, _ = kvledger("fuzz", "--revert", "22862", "--max-examples", 1, "--seed", 99, "--jobs", 1)
    origin = out.splitlines()[1].partition(": ")[0]
    assert Path(origin) in set(Path("out/fuzz").glob("*-seed-?/scenario.yaml"))


@pytest.mark.usefixtures("in_process", "undrawn")
def test_what_did_not_occur_is_named_and_fails_where_it_must_occur(kvledger):
    only = ("--only", "watermark")
    status, out, _ = kvledger("fuzz", "--profile", "ci", "--max-examples", 1, "--seed", 5, "--jobs", 1, *only)
    assert status == 1
    assert "did not occur: " in out
    assert "kinds did not occur" in out
    status, out, _ = kvledger("fuzz", "--max-examples", 1, "--seed", 5, "--jobs", 1, *only)
    assert status == 0
    assert "nothing found" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--only", "lek"), "argument --only: 'lek' is no verdict; write some of leak,double-free"),
        (("--max-examples", "0"), "argument --max-examples: '0' is no number of them"),
        (("--minutes", "-1"), "argument --minutes: '-1' is no time; write minutes"),
        (("--seed", "x"), "argument --seed: 'x' is no seed"),
        (("--jobs", "none"), "argument --jobs: 'none' is no number of them"),
        (("--profile", "slow"), "argument --profile: invalid choice: 'slow'"),
        (("--accept", "none.yaml"), "none.yaml:1:1: there is no such file; "),
        (("--regressions", "none"), "--regressions none: there is no such folder; "),
        (("--release", "sglang-9"), "sglang-9"),
        (("--revert", "1"), "1"),
        (("--policy", "none.py:Mine"), "none.py"),
        (("--engine", "vllm"), "--engine vllm: there is no such engine; "),
        (("--engine", "sglang==0.5.11", "--release", "sglang-0.5.11"), "--release: sglang==0.5.11 is the release"),
        (("--engine", "sglang==0.5.11", "--policy", "none.py:Mine"), "--policy: sglang==0.5.11 is the release"),
    ],
)
def test_wrong_input_earns_one_line(kvledger, arguments, line):
    status, out, err = kvledger("fuzz", *arguments)
    assert status == 2
    assert line in err
    assert err.count("\n") == 1
    assert not out


def started(*arguments, **more):
    return process.started("-m", "sim.cli", "fuzz", "--revert", "22862", "--jobs", "1", *arguments, **more)


def test_a_stopped_campaign_has_written_what_it_had_printed():
    run = started("--minutes", "5", "--seed", "1", start_new_session=True)
    printed = []
    while len(printed) < 3:
        line = run.stdout.readline()
        if line.startswith("seed "):
            printed.append(line)
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=240)
    assert run.returncode == 130, err
    assert "stopped; what has been found so far" in out
    seeds = [line.partition(":")[0].removeprefix("seed ") for line in printed]
    findings = json.loads(Path("out/fuzz/fuzz.json").read_text())["findings"]
    for seed in seeds:
        assert list(Path("out/fuzz").glob(f"*-seed-{seed}/scenario.yaml")), seed
        assert f"the first seed {seed}" in out.partition("stopped; what has been found so far")[2]
        assert f"seed {seed}" in [finding["first"] for finding in findings]


def worker_of(pid):
    """The process that plays, once there is one."""
    while True:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        time.sleep(0.05)


def test_a_killed_worker_costs_no_finding():
    run = started("--max-examples", "36", "--seed", "1", "--only", "watermark")
    first = run.stdout.readline()
    os.kill(worker_of(run.pid), signal.SIGKILL)
    out, err = run.communicate(timeout=240)
    assert run.returncode == 0, err
    assert "36 cases" in first
    assert "seeds 1 to 36: 36 cases" in out
    assert "no process survives" not in out


LOOP = """\
class Loop:
    decision = "victims"
    name = "loop"

    def order(self, reqs, speculative):
        while True:
            pass
"""


def test_ctrl_c_ends_what_would_never_end():
    Path("loop.py").write_text(LOOP)
    run = started("--minutes", "5", "--seed", "1", "--policy", "loop.py:Loop", start_new_session=True)
    player = worker_of(run.pid)
    time.sleep(3)
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    assert not Path(f"/proc/{player}").exists()


def test_the_same_command_again_and_again_leaves_the_same_folders(kvledger):
    line = ("fuzz", "--revert", "22862", "--seed", "5", "--max-examples", "2", "--jobs", "1")
    left = []
    for _ in range(2):
        assert kvledger(*line)[0] == 1
        left.append(sorted(path.name for path in Path("out/fuzz").iterdir()))
    assert left[0] == left[1]


def test_what_cannot_be_read_of_an_earlier_campaign_does_not_stand_in_the_way(kvledger):
    Path("out/fuzz/leak-full-seed-6").mkdir(parents=True)
    Path("out/fuzz/leak-full-seed-6/scenario.yaml").write_text("{")
    status, _, err = kvledger("fuzz", "--seed", "1", "--max-examples", "1", "--jobs", "1", "--only", "watermark")
    assert status == 0
    assert err.startswith("not played again: out/fuzz/leak-full-seed-6/scenario.yaml:")
