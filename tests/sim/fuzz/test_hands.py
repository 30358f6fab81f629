"""Tasks in processes: in order, whoever dies."""

from __future__ import annotations

import os
import signal

import pytest

from sim.fuzz.hands import Hands, Lost


def double(number):
    return 2 * number


def wrong(number):
    raise ValueError(f"not {number}")


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(path):
    """Ends its process the first time."""
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@pytest.fixture(scope="module")
def hands():
    with Hands(2) as made:
        yield made


def test_results_of_tasks_in_any_order(hands):
    tasks = [hands.submit(double, number) for number in range(6)]
    assert [hands.result(task) for task in reversed(tasks)] == [10, 8, 6, 4, 2, 0]


def test_an_error_is_the_callers(hands):
    with pytest.raises(ValueError, match="not 3"):
        hands.result(hands.submit(wrong, 3))
    assert hands.result(hands.submit(double, 2)) == 4


def test_a_killed_process_costs_nothing_but_time(hands, tmp_path):
    before = [hands.submit(double, number) for number in range(3)]
    task = hands.submit(die_once, tmp_path / "been")
    after = [hands.submit(double, number) for number in range(3)]
    assert hands.result(task) == "alive"
    assert [hands.result(each) for each in (*before, *after)] == [0, 2, 4, 0, 2, 4]


def test_a_task_that_no_process_survives_is_given_up_and_the_others_are_not(hands):
    deadly, other = hands.submit(die, 0), hands.submit(double, 4)
    with pytest.raises(Lost):
        hands.result(deadly)
    assert hands.result(other) == 8
