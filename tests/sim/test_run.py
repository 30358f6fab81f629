"""One scenario → a Result: what is run, how it is judged, what it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim import run as run_module
from sim import setup
from sim.errors import InputError
from sim.expectations import unmet_verdicts
from sim.result import Result, combined_status
from sim.run import Options, chosen, find, run_paths
from sim.scenario import load
from sim.scenario.model import Expect, ExpectVerdict

RETRACT = """\
name: retract
pool: {tokens: 1000, rows: 8}
scheduler: {max_running: 8, overlap: false}
workload:
  - session: a
    turns: [{prompt: 20, output: 12}, {prompt: 10, output: 4}]
inject:
  - {retract: a/1, when: {decoded: 6}}
variants:
  before: {revert: [22862]}
  after: {}
expect:
  before: {verdict: leak, pool: full, size: -1}
  after:
    verdict: clean
    points:
      - when: {finished: a/1}
        full: {protected: 20, sum: 1000, delta: 0}
        sessions: {a: {c: 31, a: 31, p: 20}}
        requests: {a/1: {prompt: 20, decoded: 12}}
        free_rows: 7
"""


@pytest.fixture
def written(tmp_path):
    """Writes a scenario file; gives its path."""

    def write(text, name="scenario.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def play(path, **options):
    return [result for _, result in run_paths([path], Options(**options))]


def by_name(results):
    return {result.variant: result for result in results}


def test_a_retracted_turn_leaks_one_slot_before_22862_and_none_after(written):
    before, after = play(written(RETRACT))
    assert [result.unmet for result in (before, after)] == [(), ()]
    assert [result.status for result in (before, after)] == [0, 0]
    assert [(v.verdict, v.pool, v.size) for v in before.verdicts] == [("leak", "full", -1)]
    assert after.verdicts == ()


def test_a_figure_that_differs_is_named_with_its_place_and_both_values(written):
    path = written(RETRACT.replace("delta: 0", "delta: 5"))
    result = by_name(play(path))["after"]
    line = next(line for line in result.unmet if "delta" in line)
    assert line == f"{path}:17:9: when a/1 is finished: full.delta is 0, expected 5"
    assert (result.ok, result.status) == (False, 1)


def test_a_point_that_never_comes_is_not_met(written):
    path = written(RETRACT.replace("when: {finished: a/1}", "at: 900s"))
    assert "this point never came (at 900 s)" in by_name(play(path))["after"].unmet[-1]


@pytest.mark.parametrize(
    ("expectation", "complaint"),
    [
        ("{verdict: clean}", "expected clean, found leak pool=full size=-1 at event"),
        ("{verdict: leak, size: -2}", "expected leak size=-2, found leak pool=full size=-1"),
        ("{verdict: alias}", "expected alias, found leak"),
        ("{verdict: leak, count: 2}", "expected 2 times leak, found 1"),
        ("[{verdict: leak}, {verdict: crash}]", "expected crash, found leak"),
    ],
)
def test_an_expectation_that_does_not_hold_is_said_in_one_line(written, expectation, complaint):
    text = RETRACT.replace("{verdict: leak, pool: full, size: -1}", expectation)
    result = by_name(play(written(text)))["before"]
    assert complaint in result.unmet[0]
    assert (result.ok, result.status) == (False, 1)


def test_each_verdict_needs_an_entry_that_expects_it(make_verdict):
    expect = Expect(verdicts=(ExpectVerdict(verdict="leak", size=-1),))
    lines = unmet_verdicts(expect, [make_verdict(), make_verdict(verdict="alias", size=1)])
    assert [line.partition(": ")[2] for line in lines] == [
        "no entry expects alias pool=full size=1 at event 41"
    ]


def test_an_injection_that_never_happened_is_not_met(written):
    path = written(RETRACT.replace("decoded: 6", "iteration: 5000"))
    lines = [line for result in play(path) for line in result.unmet if "never happened" in line]
    assert lines == [f"{path}:8:15: the retract of a/1 never happened (at iteration 5000)"] * 2


def test_without_expectations_any_verdict_is_wrong(written):
    text = RETRACT.partition("expect:")[0]
    assert {r.variant: r.status for r in play(written(text))} == {"before": 1, "after": 0}


def test_a_changed_release_is_not_held_to_what_the_scenario_expects(written):
    before, after = play(written(RETRACT), revert=(22862,))
    assert (before.status, after.status) == (1, 1)
    assert before.notes == after.notes
    assert "is not applied" in after.notes[0]


def test_another_release_replaces_reverts_and_runs_equal_variants_once(written):
    (variant,) = chosen(load(written(RETRACT)), Options(release="sglang-0.5.10"))
    assert (variant.release, variant.revert, variant.expect) == ("sglang-0.5.10", (), None)


def test_reverts_on_the_command_line_add_to_those_of_the_variant(written):
    reverts = [v.revert for v in chosen(load(written(RETRACT)), Options(revert=(22753,)))]
    assert reverts == [(22753, 22862), (22753,)]


def test_a_revert_on_the_command_line_may_be_about_a_pool_that_is_not_there(written):
    """In a file it would be the author's mistake; over a folder of scenarios it is not."""
    assert [r.reverted for r in play(written(RETRACT), revert=(22900,))] == [(22862, 22900), (22900,)]


def test_only_the_variant_asked_for_runs(written):
    assert [r.variant for r in play(written(RETRACT), variant="after")] == ["after"]


def test_an_unknown_variant_is_refused_with_the_nearest_name(written):
    with pytest.raises(InputError, match=r"^--variant befor: .*`before`"):
        play(written(RETRACT), variant="befor")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"release": "sglang-0.5.12"}, "unknown release 'sglang-0.5.12'; write 'sglang-0.5.11'"),
        ({"revert": (22863,)}, "unknown fix 22863; write '22862'"),
    ],
)
def test_an_unknown_release_or_fix_is_one_line_with_advice(written, options, line):
    with pytest.raises(InputError) as caught:
        play(written(RETRACT), **options)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_auditor_nothing_is_checked_and_verdicts_are_not_expected(written):
    before, after = play(written(RETRACT), audit="off")
    assert (before.checks, before.verdicts, before.ok) == (0, (), True)
    assert "auditing is off" in before.notes[0]
    assert after.unmet == ()


def test_stuck_work_is_a_verdict_of_its_own_and_status_3(written):
    path = written(
        "pool: {tokens: 100, rows: 4, context: 90}\n"
        "workload:\n"
        "  - {session: a, turns: [{prompt: 60, output: 10}]}\n"
        "  - {request: r, prompt: 60, output: 10, at: 5s}\n"
    )
    (result,) = play(path)
    assert [v.verdict for v in result.verdicts] == ["stuck"]
    assert (result.ending, result.status) == ("stuck", 3)


@pytest.mark.parametrize("kind", ["stuck", "crash"])
def test_an_unaudited_run_that_gets_stuck_or_crashes_still_says_so(written, monkeypatch, tiny_engine, kind):
    engine = tiny_engine(tokens=10) if kind == "stuck" else tiny_engine(crash_at=2)
    monkeypatch.setattr(setup, "make_engine", lambda config, release: (engine, None))
    (result,) = play(
        written("pool: {tokens: 100, rows: 4}\nworkload: [{request: r, prompt: 9, output: 9}]\n")
    )
    assert [(v.verdict, v.pool, v.size) for v in result.verdicts] == [(kind, "full", 1 if kind == "stuck" else 0)]
    assert result.status == {"stuck": 3, "crash": 1}[kind]


def test_a_wrong_verdict_outweighs_a_stuck_run():
    def result(ending, *unmet):
        return Result(
            scenario="s", variant="v", release="r", reverted=(), added=(), engine="model", events=0, checks=0,
            iterations=0, time=0.0, ending=ending, verdicts=(), unmet=unmet,
        )  # fmt: skip

    assert combined_status([]) == 0
    assert combined_status([result("done"), result("limit")]) == 3
    assert combined_status([result("limit"), result("done", "x")]) == 1


def test_a_run_leaves_its_files_under_scenario_and_variant(written, tmp_path):
    play(written(RETRACT), out=tmp_path / "out")
    folder = tmp_path / "out" / "retract" / "before"
    assert sorted(p.name for p in folder.iterdir()) == [
        "events.jsonl", "meta.json", "ops.jsonl", "scenario.yaml", "series.npz", "verdicts.json",
    ]  # fmt: skip
    assert (folder / "scenario.yaml").read_text() == RETRACT


def test_a_variant_in_verdicts_json_has_the_keys_of_the_contract(written, tmp_path):
    play(written(RETRACT), out=tmp_path)
    document = json.loads((tmp_path / "retract" / "before" / "verdicts.json").read_text())
    variant = document["variants"]["before"]
    assert document["scenario"] == "retract"
    assert set(variant) == {
        "release", "reverted", "engine", "events", "checks", "iterations", "ok", "verdicts", "expected",
        "unmet",
    }  # fmt: skip
    assert set(variant["verdicts"][0]) >= {
        "verdict", "pool", "size", "event", "iteration", "time", "request", "session", "cause", "detected_by",
        "latency_events",
    }  # fmt: skip
    assert variant["expected"] == [{"verdict": "leak", "pool": "full", "size": -1}]


def test_meta_json_has_every_option_and_the_line_that_replays(written, tmp_path):
    play(written(RETRACT), out=tmp_path, seed=7)
    meta = json.loads((tmp_path / "retract" / "before" / "meta.json").read_text())
    assert meta["replay"] == f"kvledger replay {tmp_path}/retract/before/ops.jsonl"
    assert (meta["seed"], meta["config"]["pool"]["tokens"], meta["reverted"]) == (7, 1000, [22862])
    assert set(meta["versions"]) == {"kvledger", "python", "numpy", "torch", "simpy"}


def test_the_same_seed_leaves_the_same_bytes(written, tmp_path):
    for out in ("one", "two"):
        play(written(RETRACT), out=tmp_path / out)
    for name in ("events.jsonl", "ops.jsonl", "series.npz"):
        one, two = ((tmp_path / out / "retract" / "before" / name).read_bytes() for out in ("one", "two"))
        assert one == two


def test_ctrl_c_leaves_complete_lines_and_the_verdicts_so_far(written, tmp_path):
    def interrupt(event, time):
        if event > 0:
            raise KeyboardInterrupt

    path = written(
        "name: long\npool: {tokens: 5000, rows: 4}\n"
        "workload: [{request: r, prompt: 9, output: 3500, ignore_eos: true}]\n"
    )
    (variant,) = load(path).variants.values()
    with pytest.raises(KeyboardInterrupt):
        run_module.run_variant(load(path), variant, Options(out=tmp_path / "out"), interrupt)
    folder = tmp_path / "out" / "long" / "default"
    lines = (folder / "events.jsonl").read_text().split("\n")
    assert lines[-1] == ""
    assert [json.loads(line)["event"] for line in lines[:-1]] == list(range(1, len(lines)))
    assert len(lines) > 2000
    variant_entry = json.loads((folder / "verdicts.json").read_text())["variants"]["default"]
    assert variant_entry["unmet"] == ["the run was broken off: KeyboardInterrupt"]
    assert variant_entry["ok"] is False


def test_folders_are_searched_for_scenarios_in_order(tmp_path, written):
    for name in ("b/two.yaml", "a/one.yml", "b/notes.txt"):
        written("x", name)
    assert [p.relative_to(tmp_path) for p in find([tmp_path])] == [Path("a/one.yml"), Path("b/two.yaml")]


def test_known_faults_among_scenarios_are_passed_over(tmp_path, written):
    written("x", "one.yaml")
    written("about: known\nfaults:\n  - {verdict: leak, cause: x}\n", "known.yaml")
    written("about: |\n  faults:\n", "two.yaml")
    assert [p.name for p in find([tmp_path])] == ["one.yaml", "two.yaml"]
    assert [p.name for p in find([tmp_path / "known.yaml"])] == ["known.yaml"]


def test_a_folder_without_scenarios_is_one_line(tmp_path):
    with pytest.raises(
        InputError, match=r":1:1: no scenario in this folder; name one that holds \*\.yaml files$"
    ):
        find([tmp_path])


def test_two_scenarios_of_one_name_are_refused_before_either_runs(tmp_path, written):
    for name in ("one.yaml", "two.yaml"):
        written(RETRACT, name)
    with pytest.raises(
        InputError, match=r"two\.yaml:1:1: the name retract is taken by .*one\.yaml; give it another"
    ):
        play(tmp_path)


def test_a_policy_that_raises_while_it_runs_is_the_users_to_mend(tmp_path, written, monkeypatch, tiny_engine):
    policy = tmp_path / "mine.py"
    policy.write_text("def choose(queue):\n    return 1 // len(queue)\n")
    names: dict = {}
    exec(compile(policy.read_text(), str(policy), "exec"), names)

    class Uses(tiny_engine):
        def step(self):
            return names["choose"]([])

    monkeypatch.setattr(setup, "choose_release", lambda identity, place: None)
    monkeypatch.setattr(setup, "make_engine", lambda config, release: (Uses(), None))
    with pytest.raises(InputError) as caught:
        play(written(RETRACT), policy=f"{policy}:Mine")
    assert str(caught.value) == (
        f"{policy}:2:1: the policy raised ZeroDivisionError: integer division or modulo by zero; "
        "mend it there"
    )
