"""The command line as scripts depend on it: exit statuses, streams, one line for wrong input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.child import started
from helpers.commandline import SCENARIO
from helpers.traceread import read_trace

from sim import setup, showing
from sim.errors import InputError

pytestmark = pytest.mark.usefixtures("place")


def test_a_run_shows_each_verdict_with_its_cause_and_where_the_report_lies(kvledger):
    status, out, err = kvledger("run", "s.yaml")
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0].split() == [
        "scenario",
        "variant",
        "verdict",
        "pool",
        "size",
        "event",
        "it",
        "seen",
        "by",
        "the",
        "release",
    ]
    assert lines[1].split()[:5] == ["retract", "before", "leak", "full", "-1"]
    assert lines[1].endswith("busy check +0")
    assert lines[2].startswith("    cause: row 1 was overwritten from 24 on")
    assert lines[-2:] == ["report: out/report.html", "1 scenario, 1 as expected"]
    assert max(map(len, lines)) <= 100


def test_json_is_one_document_and_nothing_else(kvledger):
    status, out, err = kvledger("run", "s.yaml", "--json", "--out", "there")
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert (document["scenario"], list(document["variants"])) == ("retract", ["before", "after"])
    assert json.loads(Path("there/verdicts.json").read_text()) == document


def test_json_of_several_scenarios_is_a_list(kvledger):
    Path("t.yaml").write_text(SCENARIO.replace("name: retract", "name: again"))
    _, out, _ = kvledger("run", "s.yaml", "t.yaml", "--json")
    assert [d["scenario"] for d in json.loads(out)] == ["retract", "again"]


@pytest.mark.parametrize(
    "wrong", ["size: -2", "verdict: clean", "verdict: alias", "count: 3", "pool: full, size: 1"]
)
def test_changing_an_expectation_gives_status_1_and_says_what_is_not_met(kvledger, wrong):
    head, _, tail = SCENARIO.partition("  before: {verdict: leak, pool: full, size: -1}")
    entry = wrong if "verdict" in wrong else f"verdict: leak, {wrong}"
    Path("s.yaml").write_text(f"{head}  before: {{{entry}}}{tail}")
    status, out, _ = kvledger("run", "s.yaml")
    assert status == 1
    assert "NOT MET  s.yaml:13:" in out
    assert out.endswith("1 scenario, 0 as expected\n")


def test_a_reverted_fix_on_the_command_line_is_judged_by_its_verdicts_alone(kvledger):
    status, out, _ = kvledger("run", "s.yaml", "--variant", "after", "--revert", "22862")
    assert status == 1
    assert "note: the command line changes the release" in out


def test_stuck_work_is_status_3(kvledger):
    Path("stuck.yaml").write_text(
        "pool: {tokens: 100, rows: 4, context: 90}\nworkload:\n"
        "  - {session: a, turns: [{prompt: 60, output: 10}]}\n"
        "  - {request: r, prompt: 60, output: 10, at: 5s}\n"
    )
    assert kvledger("run", "stuck.yaml")[0] == 3


def test_a_recorded_run_is_replayed(kvledger):
    kvledger("run", "s.yaml")
    status, out, _ = kvledger("replay", "out/retract/before/ops.jsonl")
    assert status == 1
    assert out.splitlines()[1].split()[:5] == ["retract", "before", "leak", "full", "-1"]
    status, out, _ = kvledger("replay", "out/retract/after/ops.jsonl", "--json", "--out", "again")
    assert (status, list(json.loads(out)["variants"])) == (0, ["after"])
    assert (
        Path("again/retract/after/events.jsonl").read_bytes()
        == Path("out/retract/after/events.jsonl").read_bytes()
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run",), "kvledger run: the following arguments are required: PATH; see kvledger run --help"),
        (("fly",), "kvledger: argument COMMAND: invalid choice: 'fly'"),
        (("run", "none.yaml"), "none.yaml:1:1: there is no such file; write the path of a scenario file"),
        (("run", "empty"), "empty:1:1: no scenario in this folder; name one that holds *.yaml files"),
        (
            ("run", "s.yaml", "--engine", "vllm"),
            "--engine vllm: there is no such engine; write model, sglang==0.5.11 (or another version), or sglang",
        ),
        (
            ("run", "s.yaml", "--engine", "sglang==9.9.9"),
            "--engine sglang==9.9.9: no source of SGLang 9.9.9 is at hand; type `kvledger oracle fetch 9.9.9`, or",
        ),
        (
            ("run", "s.yaml", "--engine", "sglang", "--sglang-src", "nowhere"),
            "--sglang-src nowhere: it does not exist; write the folder of a checkout",
        ),
        (
            ("run", "s.yaml", "--sglang-src", "nowhere"),
            "--sglang-src: the model needs no source; write --engine sglang as well",
        ),
        (
            ("run", "s.yaml", "--engine", "sglang==9.9.9", "--release", "sglang-0.5.10"),
            "--release: sglang==9.9.9 is the release that it is; leave --release out, or --engine",
        ),
        (
            ("run", "s.yaml", "--engine", "sglang==9.9.9", "--add", "22213"),
            "--add: sglang==9.9.9 is the release that it is; leave --add out, or the engine",
        ),
        (
            ("run", "s.yaml", "--engine", "sglang==9.9.9", "--policy", "mine.py:X"),
            "--policy: sglang==9.9.9 is the release that it is; leave --policy out, or the engine",
        ),
        (
            ("run", "s.yaml", "--engine", "sglang==9.9.9", "--device", "cuda"),
            "--device cuda: sglang==9.9.9 is driven on the CPU; write --device cpu",
        ),
        (
            ("replay", "s.yaml", "--against", "vllm"),
            "--against vllm: there is no such engine; write model,",
        ),
        (
            ("replay", "s.yaml", "--against", "sglang==9.9.9", "--add", "22213"),
            "--add: sglang==9.9.9 is the release that it is; leave --add out, or the engine",
        ),
        (
            ("replay", "s.yaml", "--against", "model", "--out", "x"),
            "--out: a lockstep leaves nothing behind; leave --out or --against out",
        ),
        (
            ("replay", "s.yaml", "--deep"),
            "--deep: there is nothing to compare; write --against with another engine",
        ),
        (("oracle", "fetch", "../x"), "'../x' is no version of SGLang; write a number, e.g. 0.5.11"),
        (
            ("run", "s.yaml", "--release", "sglang-0.5.1"),
            "unknown release 'sglang-0.5.1'; write 'sglang-0.5.1",
        ),
        (("run", "s.yaml", "--revert", "1,2"), "unknown fix 1; write"),
        (("run", "s.yaml", "--revert", "1,2", "--engine", "sglang"), "--revert: unknown fix 1; write"),
        (("run", "s.yaml", "--revert", "all"), "'all' is no list of fixes; write numbers, e.g. 22753,22862"),
        (("run", "s.yaml", "--seed", "-1"), "is no seed; write a whole number"),
        (("run", "s.yaml", "--seed", "x"), "'x' is no seed; write a whole number from 0 to 2^63 - 1"),
        (("run", "s.yaml", "--audit", "never"), "argument --audit: invalid choice: 'never'"),
        (
            ("run", "s.yaml", "--variant", "befroe"),
            "--variant befroe: no scenario has it; did you mean `before`?",
        ),
        (("run", "s.yaml", "--policy", "mine.py"), "'mine.py' names no policy; write FILE:CLASS"),
        (("run", "s.yaml", "--policy", "mine.py:X"), "mine.py"),
        (("run", "s.yaml", "--out", "s.yaml"), "s.yaml: cannot be written: file exists; free space or"),
        (("run", "s.yaml", "--out", "s.yaml/x"), "s.yaml/x: cannot be written: not a directory"),
        (("run", "s.yaml", "--out", "/proc/x"), "/proc/x: cannot be written: "),
        (
            ("replay", "none.jsonl"),
            "none.jsonl:1:1: no such file or directory; write the path of an ops.jsonl",
        ),
        (("replay", "s.yaml"), "s.yaml:1:1: this is not JSON"),
        (("replay", "empty"), "empty:1:1: is a directory; write the path of an ops.jsonl"),
        (("export", "empty"), "kvledger export: the following arguments are required: --to; see kvledger export"),
        (("export", "empty", "--to", "svg"), "argument --to: invalid choice: 'svg'"),
        (
            ("export", "none", "--to", "csv"),
            "none: there is no such folder; name one that `kvledger run --out` wrote",
        ),
        (
            ("export", "empty", "--to", "perfetto"),
            "empty: not a run: neither it nor a folder in it has events.jsonl; run a scenario with --out first",
        ),
        (("list", "nothing"), "argument what: invalid choice: 'nothing'"),
        (("list", "scenarios", "none"), "none:1:1: there is no such folder"),
    ],
)
def test_wrong_input_is_one_line_on_stderr_and_status_2(kvledger, arguments, line):
    Path("empty").mkdir()
    status, out, err = kvledger(*arguments)
    assert (status, out) == (2, "")
    assert line in err
    assert (err.count("\n"), err[-1]) == (1, "\n")


def test_a_gpu_that_is_not_there_is_one_line(kvledger, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    status, _, err = kvledger("run", "s.yaml", "--device", "cuda")
    assert (status, err) == (2, "--device cuda: there is no usable GPU here; write --device cpu\n")


def test_a_gpu_that_is_too_small_is_one_line(kvledger, monkeypatch):
    import torch

    def full(self, shape, dtype=torch.int64):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB.\nGPU 0 has a total of 79 GiB.")

    monkeypatch.setattr("sim.memory.devices.TorchBackend.zeros", full)
    monkeypatch.setattr(setup, "choose_device", lambda _: "torch:cpu")
    status, out, err = kvledger("run", "s.yaml")
    assert (status, out) == (2, "")
    assert "the pools (full 1000) of tiny do not fit into the memory of the torch:cpu; make the pools smaller" in err
    assert err.count("\n") == 1


def test_a_gpu_that_is_full_in_the_middle_of_a_run_is_one_line(kvledger, monkeypatch):
    import torch

    def full(self):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB.")

    monkeypatch.setattr("sim.engines.model.ModelEngine.step", full)
    status, _, err = kvledger("run", "s.yaml")
    assert (status, err) == (2, "too little device memory for this run; write a smaller pool or shorter prompts\n")


def test_a_card_asked_for_by_name_is_what_limits_a_pool(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80 << 30))
    assert setup.card_memory("cuda") == 80 << 30
    assert [setup.card_memory(device) for device in ("auto", "cpu", None)] == [None] * 3


def test_a_fault_of_ours_is_status_4_and_says_what_to_report(kvledger, monkeypatch):
    def fail(config, release):
        raise AssertionError("books and recount differ")

    monkeypatch.setattr(setup, "make_engine", fail)
    status, out, err = kvledger("run", "s.yaml")
    assert (status, out) == (4, "")
    assert err.startswith(
        "kvledger: a fault of kvledger itself: AssertionError: books and recount differ (test_cli.py:"
    )
    assert err.endswith("please report it with the command line, ops.jsonl and meta.json of this run\n")
    assert err.count("\n") == 1


def test_a_full_disk_is_status_2(kvledger, monkeypatch):
    from sim.record import Lines

    def full(self, lines):
        self._give_up(OSError(28, os.strerror(28)))

    monkeypatch.setattr(Lines, "write", full)
    status, _, err = kvledger("run", "s.yaml")
    assert status == 2
    assert "cannot be written: no space left on device; free space or choose another --out" in err


LONG = """\
name: long
pool: {tokens: 90000, rows: 4, context: 80000}
workload: [{request: r, prompt: 9, output: 79000, ignore_eos: true}]
variants:
  short: {until: {iterations: 50}}
  whole: {}
"""


def stopped(number, *arguments, when):
    """Start a command, and stop it as soon as something is so."""
    process = started("-m", "sim.cli", *arguments)
    deadline = time.monotonic() + 60
    while not when() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_leaves_complete_lines_and_what_it_came_to(kvledger, number, status):
    Path("long.yaml").write_text(LONG)
    events = Path("out/long/whole/events.jsonl")
    code, out, err = stopped(number, "run", "long.yaml", when=lambda: events.exists() and events.stat().st_size)
    assert (code, err) == (status, "kvledger: stopped; what was written so far is complete\n")
    assert "whole    broken off" in out
    lines = events.read_text().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line)["event"] for line in lines] == list(range(1, len(lines) + 1))
    document = json.loads(Path("out/verdicts.json").read_text())
    assert document["variants"]["short"]["ok"]
    whole = document["variants"]["whole"]
    assert whole == json.loads((events.parent / "verdicts.json").read_text())["variants"]["whole"]
    assert whole["unmet"][0].startswith("the run was broken off: ")
    assert json.loads((events.parent / "meta.json").read_text())["ending"] == "broken off"
    told = f"{events.parent}: the run was broken off; "
    assert f"{told}shown up to event {len(lines)}\n" in kvledger("report", "out/long", "--out", "x")[2]
    assert f"{told}exported up to event {len(lines)}\n" in kvledger("export", "out/long", "--to", "csv")[2]


def test_looking_inside_that_is_stopped_leaves_nothing_half_and_takes_no_offence_at_what_was(kvledger):
    Path("long.yaml").write_text(LONG)
    part = Path("out/long/whole/lives.jsonl.part")
    kvledger("run", "long.yaml", "--variant", "short")
    part.parent.mkdir()
    assert stopped(signal.SIGTERM, "run", "long.yaml", "--variant", "whole", when=part.exists)[0] == 143
    assert not part.exists()
    half = Path("out/long/short/lives.jsonl.part")
    half.write_text("{half")
    half.with_suffix("").unlink()
    assert kvledger("report", "out/long/short", "--out", "x")[0] == 0
    assert not half.exists()
    assert half.with_suffix("").read_text()


@pytest.mark.parametrize("command", [("run", "s.yaml"), ("replay", "ops.jsonl", "--out", "out")])
def test_beside_a_run_that_is_stopped_no_earlier_report_is_left(kvledger, monkeypatch, command):
    kvledger("run", "s.yaml")
    Path("out/retract/before/ops.jsonl").rename("ops.jsonl")
    for name in ("report.html", "mine.html", "figures/x.svg"):
        path = Path("out", name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("earlier")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.setup.Stage.end", interrupted)
    monkeypatch.setattr("sim.commands._conclude", lambda *_, **__: 0)
    assert kvledger(*command)[0] == 130
    assert sorted(path.name for path in Path("out").iterdir()) == ["figures", "mine.html", "retract"]
    assert Path("out/figures/x.svg").is_file()


def test_what_an_earlier_run_has_left_is_not_lost_by_one_that_never_began(kvledger, monkeypatch):
    kvledger("run", "s.yaml")
    before = Path("out/verdicts.json").read_text()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.setup.choose_release", interrupted)
    assert kvledger("run", "s.yaml")[0] == 130
    assert Path("out/verdicts.json").read_text() == before


def test_a_wrong_scenario_leaves_no_folder(kvledger):
    Path("wrong.yaml").write_text("name: 1\npool: {}\n")
    for paths in (["wrong.yaml"], ["s.yaml", "wrong.yaml"], ["none.yaml"]):
        assert kvledger("run", *paths, "--out", "there")[0] == 2
        assert not Path("there").exists()


@pytest.mark.parametrize(
    "command", ["--help", "run --help", "schema", "list fixes", "list scenarios .", "list policies"]
)
def test_what_only_informs_is_quick_and_imports_nothing_heavy(command):
    start = time.monotonic()
    process = started("-X", "importtime", "-m", "sim.cli", *command.split())
    out, err = process.communicate(timeout=240)
    imported = {line.rpartition("|")[2].strip() for line in err.splitlines()}
    assert process.returncode == 0
    assert out
    assert "argparse" in imported
    assert not imported & {"torch", "numpy", "simpy", "matplotlib"}
    # Importing any of those takes longer than this on the slowest machine that runs the tests.
    assert time.monotonic() - start < 2.0


def test_a_reader_that_goes_away_gets_no_traceback():
    process = started("-m", "sim.cli", "schema")
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(timeout=240) == 0


def test_runs_are_exported_and_it_is_said_where(kvledger):
    kvledger("run", "s.yaml")
    assert kvledger("export", "out", "--to", "perfetto") == (0, "out/retract/trace.perfetto-trace\n", "")
    assert kvledger("export", "out/retract/after", "--to", "csv")[:2] == (
        0,
        "".join(f"out/retract/after/tables/{name}.csv\n" for name in ("events", "verdicts", "lives")),
    )
    status, out, _ = kvledger("export", "out/retract", "--to", "parquet", "--out", "there")
    assert (status, out.split()[0], len(out.split())) == (0, "there/before/events.parquet", 6)
    assert read_trace(Path("out/retract/trace.perfetto-trace")).slices["retract/before", "scheduler"]


def test_a_run_that_was_cut_off_is_exported_with_a_word(kvledger):
    kvledger("run", "s.yaml")
    log = Path("out/retract/after/events.jsonl")
    text = log.read_text()
    log.write_text(text[:-20])
    status, _, err = kvledger("export", log.parent, "--to", "csv")
    of = text.count("\n")
    assert (status, err.splitlines()) == (
        0,
        [
            f"{log}:{of}: the last line is cut off, and left out",
            f"{log}: {of - 1} of {of} events are there; exported up to there",
        ],
    )


def test_an_extra_that_is_not_installed_is_one_line(kvledger, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert kvledger("export", "out", "--to", "parquet") == (
        2, "", "pyarrow is not installed; pip install 'kvledger[export]'\n",
    )  # fmt: skip


def test_lists_name_what_there_is(kvledger):
    _, releases, _ = kvledger("list", "releases")
    _, fixes, _ = kvledger("list", "fixes")
    _, policies, _ = kvledger("list", "policies", "--json")
    _, scenarios, _ = kvledger("list", "scenarios", ".")
    assert [line.split()[0] for line in releases.splitlines()] == ["sglang-0.5.10", "sglang-0.5.11"]
    assert [line.split()[0] for line in fixes.splitlines()] == [
        "21404", "21875", "22213", "22273", "22651", "22753", "22790", "22862", "22897", "22900", "23327", "23496",
    ]  # fmt: skip
    assert {"tail", "abort", "held"} <= {entry["name"].partition(":")[0] for entry in json.loads(policies)}
    assert scenarios.split() == ["retract"]


def test_the_schema_is_json(kvledger):
    status, out, _ = kvledger("schema")
    assert (status, json.loads(out)["$schema"]) == (0, "https://json-schema.org/draft/2020-12/schema")


def test_quiet_says_only_what_is_not_as_expected_and_the_sum(place, kvledger):
    assert kvledger("run", "s.yaml", "-q")[:2] == (0, "1 scenario, 1 as expected\n")
    Path("s.yaml").write_text(Path("s.yaml").read_text().replace("size: -1", "size: -2"))
    status, out, _ = kvledger("run", "s.yaml", "--quiet")
    assert status == 1
    assert "NOT MET" in out
    assert "after" not in out
    assert out.endswith("1 scenario, 0 as expected\n")


def test_verbose_says_how_to_play_each_run_again(place, kvledger):
    status, out, _ = kvledger("run", "s.yaml", "-v")
    assert status == 0
    assert [line.strip() for line in out.splitlines() if "again:" in line] == [
        f"again: kvledger replay out/retract/{variant}/ops.jsonl" for variant in ("before", "after")
    ]


def test_quiet_and_verbose_do_not_go_together(place, kvledger):
    status, _, err = kvledger("run", "s.yaml", "-q", "-v")
    assert status == 2
    assert "not allowed with" in err


@pytest.mark.parametrize(
    ("words", "command"),
    [("log -q x", "kvledger log"), ("oracle list --nope", "kvledger oracle list"), ("-q list fixes", "kvledger")],
)
def test_an_option_that_a_command_has_not_points_to_its_own_help(kvledger, words, command):
    status, out, err = kvledger(*words.split())
    assert (status, out) == (2, "")
    assert err.startswith(f"{command}: unrecognized arguments: -")
    assert err.endswith(f"; see {command} --help\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", [("list", "fixes"), ("schema",), ("run", "s.yaml")])
def test_a_full_disk_behind_standard_output_is_one_line(place, command):
    with open("/dev/full", "w") as full:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        line = [sys.executable, "-m", "sim.cli", *command]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("standard output cannot be written: ")


def test_what_runs_came_to_is_said_where_their_report_cannot_be_written(place, kvledger, monkeypatch):
    def full(paths, out):
        raise InputError(f"{out}/report.html: cannot be written")

    monkeypatch.setattr(showing, "build_report", full)
    status, out, err = kvledger("run", "s.yaml")
    assert (status, err) == (2, "out/report.html: cannot be written\n")
    assert out.endswith("1 scenario, 1 as expected\n")
