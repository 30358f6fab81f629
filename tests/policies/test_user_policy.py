"""A user's own policy: found, checked, put into a release, and reported with its place when it fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policies.releases import compose
from policies.user import PolicyError, load_policy, spelled
from policies.victims import FewestOutput
from sim.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "most_output_first.py"

PRESSURE = """
name: pressure
pool: {tokens: 60, rows: 4, context: 64}
scheduler: {overlap: false, conservativeness: 0.1}
workload:
  - {request: early, prompt: 10, output: 30}
  - {request: late, prompt: 10, output: 30, at: 0.06s}
"""


def _file(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text)
    return path


def test_the_example_of_the_document_is_the_file(tmp_path):
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "policies.md").read_text(), re.S).group(1)
    assert code in EXAMPLE.read_text()


def test_a_policy_replaces_the_decision_that_it_names():
    release = load_policy(f"{EXAMPLE}:MostOutputFirst")(compose("sglang-0.5.11"))
    assert release.victims.name == "most-output-first"
    assert release.tail.name == "freed-at-resume"


def test_a_program_may_hand_over_the_class_itself():
    class Mine(FewestOutput):
        name = "mine"

    assert load_policy(Mine)(compose("sglang-0.5.11")).victims.name == "mine"
    with pytest.raises(PolicyError, match=r"lacks .*, which decision 'tail' needs; add it"):
        load_policy(type("Bad", (), {"decision": "tail"}))


def test_a_class_is_spelled_by_its_file():
    assert spelled(FewestOutput) == f"{ROOT / 'policies' / 'victims.py'}:FewestOutput"
    assert spelled("mine.py:Mine") == "mine.py:Mine"
    with pytest.raises(PolicyError, match="in no file that a command line could name; define it in a Python file"):
        spelled(int)


@pytest.mark.parametrize(("policy", "victim"), [(None, "late"), ("MostOutputFirst", "early")])
def test_the_example_changes_who_is_retracted(tmp_path, policy, victim):
    scenario = tmp_path / "pressure.yaml"
    scenario.write_text(PRESSURE)
    chosen = [] if policy is None else ["--policy", f"{EXAMPLE}:{policy}"]
    assert main(["run", str(scenario), "--out", str(tmp_path / "out"), *chosen]) == 0
    events = (tmp_path / "out" / "pressure" / "default" / "events.jsonl").read_text()
    first = re.search(r'"retracted":\["(\w+)"', events)
    assert first is not None
    assert first.group(1) == victim


GOOD = '''
class Mine:
    decision = "flags"
    name = "mine"

    def mark(self, req):
        {body}
'''


@pytest.mark.parametrize(
    ("spec", "text", "line"),
    [
        ("{path}", "", "not a policy; write FILE.py:CLASS"),
        ("{folder}/nowhere.py:Mine", "", "no such file"),
        ("{path}:Mine", "class Other: pass", "has no class Mine; write one of Other"),
        ("{path}:Mine", "", "has no class Mine; define it there"),
        ("{path}:Mine", "class Mine(:\n", ":1:12: invalid syntax; mend the policy file"),
        ("{path}:Mine", "import nothing_of_that_name", "fails when it is loaded: ModuleNotFoundError"),
        ("{path}:Mine", "raise RuntimeError('a\\nb')", "fails when it is loaded: RuntimeError: a b"),
        ("{path}:Mine", "class Mine:\n    def __init__(self, x): pass", "fails when it is made: TypeError"),
        ("{path}:Mine", "class Mine:\n    decision = 'flag'", "Mine.decision is 'flag'; write one of abort"),
        ("{path}:Mine", "class Mine:\n    decision = 'flags'", "Mine lacks mark, name, which decision 'flags' needs"),
    ],
)
def test_a_policy_that_cannot_be_used_is_one_line(tmp_path, spec, text, line):
    path = _file(tmp_path, text)
    with pytest.raises(PolicyError) as raised:
        load_policy(spec.format(path=path, folder=tmp_path))
    assert line in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_policy_that_raises_is_reported_with_its_line_and_exit_status_2(tmp_path, capsys):
    path = _file(tmp_path, GOOD.format(body="raise ValueError('no')"))
    scenario = tmp_path / "one.yaml"
    scenario.write_text("pool: {tokens: 100, rows: 2}\nworkload: [{session: a, turns: [{prompt: 5, output: 3}]}]\n")
    status = main(["run", str(scenario), "--out", str(tmp_path / "out"), "--policy", f"{path}:Mine"])
    error = capsys.readouterr().err
    assert status == 2
    assert error.startswith(f"{path}:7:1: the policy raised ValueError: no")
    assert len(error.splitlines()) == 1


def test_a_policy_that_forgets_its_duty_is_judged_like_a_release(tmp_path, capsys):
    path = _file(tmp_path, GOOD.format(body="pass"))
    scenario = tmp_path / "one.yaml"
    text = "pool: {tokens: 100, rows: 2}\nrelease: sglang-0.5.11\nrevert: [22753]\n"
    scenario.write_text(text + "workload: [{session: a, turns: [{prompt: 5, output: 3}]}]\n")
    status = main(["run", str(scenario), "--out", str(tmp_path / "out"), "--policy", f"{path}:Mine"])
    assert status == 1
    assert "false-alarm" in capsys.readouterr().out
