"""The real releases by their names: verdicts of the founding scenarios, and the model in lockstep with them."""

import json
from pathlib import Path

import pytest

from sim.cli import main
from sim.engines.select import Choice, Engines
from sim.lockstep import lockstep
from sim.replay import Changes
from sim.run import Options, run_paths
from sim.setup import versions

ROOT = Path(__file__).parents[4]
FOUNDING = ROOT / "scenarios" / "founding"
# One of each kind: a false alarm, a leak by retract, a crash of the old release, speculation.
SOME = ("pr22753-four-turns", "pr22862-five-retries", "pr22790-close-in-flight", "pr22862-speculation-tail")


def engines_of(source):
    return Engines(Choice(spec=f"sglang=={source.version}", path=source.path))


@pytest.mark.parametrize("version", ["0.5.10.post1", "0.5.11"])
def test_founding_scenarios_meet_on_the_real_release_what_is_expected(sglang_source, version):
    left_out, results = [], []
    with engines_of(sglang_source(version)) as engines:
        for _, result in run_paths(
            [FOUNDING / f"{name}.yaml" for name in SOME], Options(), engines=engines, left_out=left_out.append
        ):
            results.append(result)
    assert {result.scenario for result in results} == set(SOME)
    assert [(r.scenario, r.variant, r.unmet) for r in results if not r.ok] == []
    assert {result.engine for result in results} == {f"sglang {version}"}
    assert left_out
    assert all(result.judged for result in results)


@pytest.mark.parametrize("revert", [(), (22862,), (22790, 22862)])
def test_a_run_of_the_model_in_lockstep_with_the_real_release(sglang_source, tmp_path, revert):
    scenario = FOUNDING / "pr22862-five-retries-speculation.yaml"
    options = Options(variant="after", out=tmp_path, audit="off")
    ((_, result),) = run_paths([scenario], options)
    with engines_of(sglang_source("0.5.11")) as real:
        outcome = lockstep(result.folder / "ops.jsonl", (Engines(), real), Changes(revert=revert), deep=True)
    assert outcome.equal
    assert outcome.operations == outcome.layouts == result.events


def test_the_command_line_drives_a_release_that_was_fetched(sglang_source, tmp_path, capsys, monkeypatch):
    source = sglang_source("0.5.11")
    monkeypatch.chdir(tmp_path)
    scenario = str(FOUNDING / "pr22862-retract-tail.yaml")
    status = main(["run", scenario, "--engine", "sglang==0.5.11", "--out", "out"])
    assert status == 0
    capsys.readouterr()
    meta = json.loads(next(Path("out").rglob("meta.json")).read_text())
    assert meta["engine"] == "sglang 0.5.11"
    assert meta["versions"] == {**versions(), "sglang": "0.5.11", "sglang_source": f"{source.path} (fetched)"}
    ops = str(next(Path("out").rglob("ops.jsonl")))
    assert main(["replay", ops, "--engine", "sglang==0.5.11", "--against", "model"]) == 0
    assert capsys.readouterr().out.startswith("equal: sglang 0.5.11")


OPERATIONS = """\
name: case
pool: {tokens: 200, rows: 4}
operations:
  - {open: a, timeout: 1.5}
  - {submit: a/1, session: a, prompt: 20, output: 12}
  - {submit: r, prompt: [{x: 16}, {r: 3}], output: 3}
  - {submit: z/1, session: z, prompt: 3, output: 3}
  - {refuse: r}
  - {step: 4}
  - {retract: [a/1, nobody]}
  - {wait: 30ms}
  - {step: 20}
  - {abort: nobody}
  - {close: nobody}
  - {wait: 2}
  - {reap: true}
  - {step: 1}
"""


FORCED = """\
name: case
pool: {tokens: 40, rows: 4}
scheduler: {overlap: false, clip_max_new_tokens: 1, retract_steps: 0}
operations:
  - {open: a}
  - {submit: a/1, session: a, prompt: 12, output: 9}
  - {submit: r, prompt: 12, output: 9}
  - {submit: s, prompt: 4, output: 9}
  - {retract: nobody, how: memory}
  - {step: 5}
  - {retract: s, how: memory}
  - {step: 1}
  - {retract: nobody, how: memory}
  - {step: 30}
"""


@pytest.mark.parametrize("operations", [OPERATIONS, FORCED])
def test_exact_operations_are_the_same_events_on_the_real_release(operations, sglang_source, tmp_path):
    path = tmp_path / "case.yaml"
    path.write_text(operations)
    events = []
    with engines_of(sglang_source("0.5.11")) as real:
        for name, engines in (("model", Engines()), ("real", real)):
            ((_, result),) = run_paths([path], Options(out=tmp_path / name), engines=engines)
            events.append((result.folder / "events.jsonl").read_text())
    assert events[0] == events[1]
    assert '"kind":"reap","closed":["a"]' in events[0] or operations is FORCED
