"""What a user's policy breaks: told in one line, or as a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import breaking

from sim.blame import blaming, policy_crash
from sim.cli import main
from sim.errors import InputError

FILE = breaking.__file__
SCENARIO = """
pool: {tokens: 100, rows: 4}
workload:
  - {session: a, turns: [{prompt: 5, output: 3}, {prompt: 5, output: 3}]}
"""


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def raised(error, do=None):
    """An exception as it is caught, raised here or where `do` does it."""
    try:
        if do is not None:
            do()
        raise error
    except (Exception, SystemExit) as caught:
        return caught


def by_policy():
    breaking.Raises().released(None, None)


def test_a_crash_names_the_policy_and_where_it_raised():
    crash = policy_crash(raised(None, by_policy), f"{FILE}:Raises")
    assert str(crash) == "ValueError: no (policy Raises, in released)"
    assert crash.frames[-1].startswith("breaking.py:")
    assert str(policy_crash(raised(None, by_policy), breaking.Raises)) == str(crash)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (AssertionError(), "AssertionError: (under policy Raises, in raised)"),
        (SystemExit(3), "SystemExit: 3 (under policy Raises, in raised)"),
    ],
)
def test_a_crash_names_the_policy_under_which_the_model_raised(error, text):
    assert str(policy_crash(raised(error), f"{FILE}:Raises")) == text


def test_a_class_in_no_file_is_named_all_the_same():
    assert str(policy_crash(raised(ValueError("no")), int)) == "ValueError: no (under policy int, in raised)"


@pytest.mark.parametrize("error", [InputError("mend it"), MemoryError(), OutOfMemoryError()])
def test_nobody_is_blamed_for_bad_input_or_for_a_machine_that_is_too_small(error):
    assert policy_crash(raised(error), f"{FILE}:Raises") is None
    with pytest.raises(type(error)), blaming(f"{FILE}:Raises"):
        raise error


def test_without_a_policy_nobody_is_blamed():
    assert policy_crash(raised(ValueError("no")), None) is None
    with pytest.raises(ValueError, match="no"), blaming(None):
        raise ValueError("no")


def line_of(text):
    lines = Path(FILE).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize("again", [False, True], ids=["run", "replay"])
@pytest.mark.parametrize(
    ("policy", "place", "told"),
    [
        ("Raises", 'raise ValueError("no")', "the policy raised ValueError: no; mend it there"),
        ("Leaves", 'sys.exit("enough")', "the policy raised SystemExit: enough; mend it there"),
        ("Breaks", "class Breaks", "under this policy the model raised TypeError: "),
        ("Disagrees", "class Disagrees", "under this policy the model raised OurFault: "),
    ],
)
def test_a_run_ends_with_one_line_and_status_2(tmp_path, capsys, policy, place, told, again):
    scenario = tmp_path / "one.yaml"
    scenario.write_text(SCENARIO)
    out = tmp_path / "out"
    command = ["run", str(scenario), "--out", str(out)]
    if again:
        assert main(command) == 0
        command = ["replay", str(next(out.glob("**/ops.jsonl")))]
    capsys.readouterr()
    assert main([*command, "--policy", f"{FILE}:{policy}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{FILE}:{line_of(place)}:1: {told}"), line
    assert line.endswith(("; mend it there", "; mend the policy"))
