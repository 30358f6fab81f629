"""What can be compared, by name."""

from __future__ import annotations

import pytest

from sim.conform.targets import ALL, WHOLE, parse
from sim.errors import InputError
from sim.setup import choose_release


def test_a_name_and_its_target():
    target = parse("0.5.11-22862-21875")
    assert (target.version, target.reverts, target.name) == ("0.5.11", (21875, 22862), "0.5.11-21875-22862")
    assert parse("0.5.10.post1").reverts == ()


@pytest.mark.parametrize("target", ALL, ids=lambda target: target.name)
def test_the_model_has_every_target(target):
    release = choose_release(target.identity("x"))
    assert release.reverted == target.reverts
    assert parse(target.name) == target


def test_every_fix_of_the_release_is_taken_out_alone_once():
    single = sorted(target.reverts[0] for target in ALL if len(target.reverts) == 1)
    assert single == sorted(choose_release(WHOLE[1].identity("x")).fixes)


@pytest.mark.parametrize("text", ["0.5.9", "0.5.11-x", "sglang", "0.5.11-"])
def test_a_wrong_name_is_said_in_one_line(text):
    with pytest.raises(InputError) as error:
        parse(text)
    assert text in str(error.value)
    assert "\n" not in str(error.value)
