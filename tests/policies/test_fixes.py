"""The changes that can be taken out or put in."""

import subprocess
import sys

import pytest

from policies.fixes import FIXES

NUMBERS = {21404, 21875, 22213, 22273, 22651, 22753, 22790, 22862, 22897, 22900, 23327, 23496}


def test_these_changes_are_known():
    assert set(FIXES) == NUMBERS


@pytest.mark.parametrize("number", sorted(NUMBERS))
def test_a_change_says_in_one_line_what_it_changed(number):
    fix = FIXES[number]
    assert fix.number == number
    assert fix.title
    assert "\n" not in fix.summary
    assert not fix.summary.endswith(".")


def test_only_22213_was_replaced_and_by_22753():
    assert {n: fix.superseded_by for n, fix in FIXES.items() if fix.superseded_by} == {22213: 22753}


def test_four_are_about_a_pool_that_not_every_model_has():
    pools = {number: fix.pool for number, fix in FIXES.items() if fix.pool is not None}
    assert pools == {21404: "mamba", 22900: "swa", 23327: "mamba", 23496: "mamba"}


def test_listing_them_imports_no_torch():
    code = "import policies.fixes, policies.releases, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"
