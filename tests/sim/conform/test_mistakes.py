"""Each deliberate mistake in the model is found on the seed recorded for it (`make conform-mistakes RECORD=1`)."""

from __future__ import annotations

import pytest
from helpers.mistakes import MISTAKES
from helpers.mistakes.__main__ import main
from helpers.mistakes.finding import SEEDS, Finder
from helpers.sources import source_of

KNOWN = dict(line.split() for line in SEEDS.read_text(encoding="ascii").splitlines())


@pytest.fixture(scope="module")
def finder(real_side):
    return Finder(real_side)


def test_there_are_enough_and_each_has_a_name_of_its_own():
    assert len({mistake.key for mistake in MISTAKES}) == len(MISTAKES) >= 24
    assert set(KNOWN) == {mistake.key for mistake in MISTAKES}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.key)
def test_it_is_made_and_put_back(mistake):
    before = vars(mistake.owner)[mistake.name]
    with mistake.made():
        assert vars(mistake.owner)[mistake.name] is not before
    assert vars(mistake.owner)[mistake.name] is before


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.key)
def test_it_is_found(mistake, finder):
    assert finder.shows(mistake, int(KNOWN[mistake.key]))


def test_the_command_counts_the_cases_until_each_is_found(capsys):
    source_of("0.5.11")
    mistake = next(m for m in MISTAKES if m.on == "0.5.11" and int(KNOWN[m.key]) < 10)
    assert main(["--only", mistake.title, "--cases", "12"]) == 0
    said = capsys.readouterr().out
    assert f"| {mistake.title} | " in said
    assert "1 of 1 mistakes found" in said
    assert main(["--only", mistake.title, "--cases", "0"]) == 1
    assert "NOT FOUND in 0" in capsys.readouterr().out
