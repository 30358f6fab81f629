"""What a real release can be asked for, and the reason where it cannot."""

import pytest
from helpers.modelworker import ModelEngines

from sim.engines.select import Engines
from sim.engines.sglang.remote import EngineBroken
from sim.fitting import misfit
from sim.setup import Identity


def of(release="sglang-0.5.11", **more):
    return Identity(scenario="s", variant="v", release=release, **more)


def test_the_model_can_be_anything():
    assert misfit(of("sglang-0.5.10", revert=(22790,), add=(22213,), decide={"abort": "save"}), Engines()) is None


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (of("sglang-0.5.10"), "it is of sglang-0.5.10, and the engine is sglang 0.5.11"),
        (of(add=(22213, 22214)), "it puts in #22213, #22214, which can be done to the model only"),
        (of(decide={"tail": "x", "abort": "y"}), "it decides abort: y, tail: x, which can be done to the model only"),
        (of(policy="mine.py:Mine"), "it uses a policy, which can be done to the model only"),
    ],
)
def test_what_a_release_cannot_be_asked_for_costs_no_process(identity, reason):
    with ModelEngines(how="hello") as engines:
        assert misfit(identity, engines) == reason
        assert engines.started == []


def test_what_fits_has_its_process_started():
    with ModelEngines(how="hello") as engines:
        assert misfit(of(revert=(22862,)), engines) is None
        assert [reverts for reverts, _ in engines.started] == [(22862,)]


def test_a_fix_that_cannot_be_taken_out_is_named_with_the_reason():
    with ModelEngines(how="hello", stubborn=(22790,)) as engines:
        reason = misfit(of(revert=(22790, 22862)), engines)
        assert reason.startswith("#22790, #22862 cannot be taken out: ValueError: the table does not fit")
        assert misfit(of(revert=(22862,)), engines) is None


def test_an_engine_that_does_not_fit_at_all_is_no_reason_to_leave_a_variant_out():
    with ModelEngines(how="misfit") as engines, pytest.raises(EngineBroken, match="the table does not fit"):
        misfit(of(revert=(22862,)), engines)


def test_an_engine_that_is_none_of_our_releases_need_not_have_a_fix_unless_it_is_asked_for():
    with ModelEngines("0.5.12", how="hello") as engines:
        assert misfit(of("sglang-0.5.10"), engines) is None
        reason = "it takes out #22790, and sglang 0.5.12 need not have it"
        assert misfit(of(revert=(22790,)), engines) == reason
        assert misfit(of(revert=(22790, 22862)), engines, asked=(22862,)) == reason
        assert misfit(of(revert=(22862,)), engines, asked=(22862,)) is None
