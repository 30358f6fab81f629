"""Both lanes find every planted fault: something that the release does not show where the policy does."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from helpers import planted
from helpers.inprocess import InProcess
from hypothesis import settings

from sim.fuzz import AccountingFault, accounting_machine, campaign
from sim.fuzz.campaign import Campaign, Found, Plan
from sim.fuzz.strategies import configs
from sim.fuzz.subject import Subject
from sim.fuzz.trial import Player
from sim.scenario import load

KNOWN = Path(__file__).parents[2] / "helpers/known.yaml"
ENOUGH = 120
EXAMPLES = 1000
PLAIN = {"pools": ("full",), "speculative": False}
FAULTS = {
    planted.AbortForgetsAToken: PLAIN,
    planted.AdmissionCountsOnMore: PLAIN,
    planted.CloseForgetsTheRow: PLAIN,
    planted.HeldMissesATokenOfMany: PLAIN,
    planted.OvershootCutAtProtected: {"pools": ("full",), "speculative": True},
    planted.RefusalTakesTheRow: PLAIN,
    planted.StatesFreedTwice: {"pools": ("no_buffer",), "speculative": False},
    planted.TailFreedOnePageEarly: PLAIN,
    planted.VictimsGoShort: {**PLAIN, "pages": (1,)},
    planted.WindowReachedInto: {"pools": ("swa",), "speculative": False, "radix": False},
}
"""Each policy, and the configurations in which a user would look for what is wrong with it."""


def shown_by_the_release(config, actions):
    with Player(Subject()) as player:
        return {seen.fault for seen in player.play(config, actions).seen}


@pytest.mark.parametrize("policy", FAULTS, ids=lambda policy: policy.__name__)
def test_a_campaign_finds_it(policy, monkeypatch):
    monkeypatch.setattr(campaign, "Hands", InProcess)
    subject = Subject(policy=f"{planted.__file__}:{policy.__name__}")
    plan = Plan(subject=subject, first_seed=0, cases=ENOUGH, jobs=1, attempts=0)
    found = (news for news in Campaign(plan).run() if isinstance(news, Found))
    assert any(one.fault not in shown_by_the_release(one.case.config, one.case.actions) for one in found)


@pytest.mark.parametrize(("policy", "where"), FAULTS.items(), ids=[policy.__name__ for policy in FAULTS])
def test_the_machine_finds_it(policy, where, tmp_path):
    quick = settings(
        settings.get_profile("kvledger-quick"), max_examples=EXAMPLES, database=None, derandomize=True
    )
    known = [KNOWN]
    for attempt in range(20):
        machine = accounting_machine(
            policy=policy, accept=known, config=configs(**where), settings=quick, out=tmp_path, attempts=100
        )
        with pytest.raises(AccountingFault) as caught:
            machine.TestCase("runTest").runTest()
        found = caught.value
        case = load(found.folder / "scenario.yaml").variants["default"]
        if found.fault not in shown_by_the_release(case.config, case.operations):
            return
        # The release shows it too: it is to be known, and the search goes on.
        known.append(tmp_path / f"known-{attempt}.yaml")
        fault = {name: getattr(found.fault, name) for name in ("verdict", "pool", "cause")}
        known[-1].write_text(yaml.safe_dump({"faults": [fault]}, allow_unicode=True))
    raise AssertionError("nothing but faults of the release")
