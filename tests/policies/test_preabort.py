"""A turn refused on arrival reaches the matcher: is it lent the slot?"""

import pytest
from helpers.kvtest import borrow, hold, new_scheduler
from helpers.rig import Rig

from policies.preabort import Detach, Restore, Skip
from sim.ledger.owners import REQUEST, SESSION


def refused_turn():
    scheduler = new_scheduler()
    hold(scheduler, "s")
    req = borrow(scheduler, "s", "s/2")
    req.session.inflight = True
    return scheduler.cache, req


@pytest.mark.parametrize(
    ("variant", "restores", "attached", "tag_kind"),
    [(Restore(), True, True, SESSION), (Skip(), False, True, REQUEST), (Detach(), False, False, REQUEST)],
)
def test_who_is_lent_the_slot_and_on_whose_memory_the_turn_works(variant, restores, attached, tag_kind):
    cache, req = refused_turn()
    assert variant.restores(cache, req) is restores
    assert (req.session is not None) is attached
    assert req.tag & 3 == tag_kind


def test_detaching_tells_the_session_that_no_turn_is_live():
    cache, req = refused_turn()
    session = req.session
    Detach().restores(cache, req)
    assert session.inflight is False


def overlong_second_turn(**decide):
    rig = Rig(decide=decide, overlap=False)
    rig.open("a")
    rig.run_turn("a/1", 20, 7)
    rig.run_turn("a/2", 600, 4)
    return rig


def test_0_5_10_overwrites_row_0_and_saves_a_slot_of_one_token():
    rig = overlong_second_turn(preabort="restore", abort="save", history="at-create", tail="kept")
    (state,) = rig.engine.snapshot().sessions
    assert (state.c, state.a, state.p) == (1, 1, 20)
    assert rig.terms.session_held == 1 - 20


def test_the_private_slots_of_the_session_are_lost_in_0_5_10():
    rig = Rig("sglang-0.5.10", tokens=4096, context=3000, overlap=False)
    rig.open("a")
    rig.run_turn("a/1", 1665, 336)
    rig.run_turn("a/2", 3000, 4)
    assert rig.terms == (2095, 0, 1665, -1664, 0, 4096)
    assert rig.terms.delta == -2000


@pytest.mark.parametrize("variant", ["skip", "detach"])
def test_a_turn_that_is_not_lent_the_slot_leaves_the_books_whole(variant):
    rig = overlong_second_turn(preabort=variant, abort="transient" if variant == "skip" else "nuke")
    (state,) = rig.engine.snapshot().sessions
    assert (state.c, state.a, state.p) == (26, 26, 20)
    assert (rig.terms.session_held, rig.terms.delta) == (6, 0)
