"""What is fuzzed, in words and on command lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.engines.select import Choice
from sim.errors import InputError
from sim.fuzz.subject import Subject


def test_in_words():
    assert Subject().title == "sglang-0.5.11"
    assert Subject(revert=(22753, 22862), policy="my.py:Mine").title == (
        "sglang-0.5.11 without 22753, 22862 under my.py:Mine"
    )
    assert Subject(release="sglang-0.5.10", add=(22790,)).title == "sglang-0.5.10 with 22790"


def test_what_a_command_needs_beside_the_scenario():
    assert Subject(revert=(22753,)).options == ""
    assert Subject(policy="a file.py:Mine").options == "--policy 'a file.py:Mine'"
    choice = Choice(spec="sglang==0.5.11", path=Path("tree"))
    assert Subject(choice=choice).options == "--engine sglang==0.5.11 --sglang-src tree"


@pytest.mark.parametrize(("release", "inside"), [("sglang-0.5.10", True), ("sglang-0.5.11", False)])
def test_the_fixes_that_can_be_put_in(release, inside):
    assert (22862 in Subject(release=release).fixes()) is inside
    assert 22862 in Subject(release=release, revert=() if inside else (22862,)).fixes()


def test_putting_a_fix_in():
    assert Subject(revert=(22753, 22862)).with_fix(22862) == Subject(revert=(22753,))
    assert Subject(release="sglang-0.5.10").with_fix(22862).add == (22862,)


def test_the_model_of_a_real_release_unless_its_source_is_somebodys():
    real = Subject(choice=Choice(spec="sglang==0.5.11"))
    assert real.twin() == Subject()
    assert Subject(choice=Choice(spec="sglang", path=Path("tree"))).twin() is None
    assert Subject(revert=(22862,)).twin() == Subject(revert=(22862,))


@pytest.mark.parametrize("subject", [Subject(release="sglang-1"), Subject(revert=(1,)), Subject(policy="none.py:X")])
def test_what_there_is_not(subject):
    with pytest.raises(InputError):
        subject.check()
