"""The recount: who owns each page and row, from free lists, tree and rows alone."""

import numpy as np
import pytest
from helpers.rig import Rig

from sim.ledger.holders import live_requests
from sim.ledger.locks import lock_breaches
from sim.ledger.readback import read_back
from sim.ledger.rebook import books
from sim.ledger.recount import Recount


def idle_rig(**more):
    """A session of 26 tokens with 20 of them in the tree, and an ordinary request’s 8 + 4 in the tree."""
    rig = Rig(**{"tokens": 96, **more})
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.send("r", 8, 4)
    rig.drain()
    return rig


def counted(rig):
    counts = Recount(rig.engine.scheduler).counts()
    return counts["full"], counts["rows"]


@pytest.mark.parametrize("page_size", [1, 4, 16])
@pytest.mark.parametrize("radix", [True, False])
def test_a_sound_pool_has_nothing_lost_and_nothing_extra(page_size, radix):
    full, rows = counted(idle_rig(page_size=page_size, radix=radix))
    assert (full.lost, full.extra, full.error) == (0, 0, 0)
    assert (rows.lost, rows.extra) == (0, 0)


def test_its_terms_are_those_of_the_books():
    """26 of 96 in the session, of which 20 are protected; 12 evictable."""
    rig = idle_rig()
    terms = books(rig.engine.scheduler)["full"]
    assert terms == rig.terms == (58, 12, 20, 6, 0, 96)


def test_its_terms_while_a_turn_borrows_its_slot():
    rig = idle_rig()
    rig.turn("a/2", 10, 4)
    rig.step(2)
    terms = books(rig.engine.scheduler)["full"]
    assert terms == rig.terms == (47, 12, 20, 0, 17, 96)


@pytest.mark.parametrize("page_size", [1, 16])
def test_a_page_that_no_list_and_no_row_names_is_lost(page_size):
    rig = idle_rig(page_size=page_size)
    page = int(rig.engine.scheduler.memory.allocator.free_list.take(1)[0])
    full, _ = counted(rig)
    assert (full.lost, full.extra, full.error) == (page_size, 0, -page_size)
    assert full.lost_units == (page,)


@pytest.mark.parametrize("page_size", [1, 16])
def test_a_page_that_stands_twice_in_the_free_list_is_extra(page_size):
    rig = idle_rig(page_size=page_size)
    free_list = rig.engine.scheduler.memory.allocator.free_list
    page = int(free_list.view()[0])
    free_list.put_back(free_list.view()[:1])
    full, _ = counted(rig)
    assert (full.lost, full.extra, full.shared_units) == (0, page_size, (page,))


def test_padding_that_came_into_the_free_list_and_went_round_is_no_unit():
    rig = idle_rig()
    memory = rig.engine.scheduler.memory
    padding = np.array([0])
    memory.allocator.free_list.put_back(padding)
    assert Recount(rig.engine.scheduler).postings_differ() is None
    assert counted(rig)[0].error == 0


def test_a_slot_that_is_free_and_named_by_a_row_is_extra():
    rig = idle_rig()
    memory, slot = rig.engine.scheduler.memory, rig.slot("a")
    memory.allocator.free_list.put_back(memory.rows.read(slot.row, 24, 26))
    full, _ = counted(rig)
    assert (full.lost, full.extra) == (0, 2)


def test_a_slot_that_is_free_and_in_the_tree_is_extra():
    rig = idle_rig()
    memory = rig.engine.scheduler.memory
    memory.allocator.free_list.put_back(next(iter(memory.tree.nodes())).value[:1])
    assert counted(rig)[0].extra == 1


def test_a_row_that_names_another_slot_loses_one_and_shares_one():
    rig = idle_rig()
    memory, slot = rig.engine.scheduler.memory, rig.slot("a")
    memory.rows.array[slot.row, 25] = memory.allocator.free_list.view()[0]
    full, _ = counted(rig)
    assert (full.lost, full.extra, full.error) == (1, 1, 0)


def test_what_stands_in_a_row_beyond_a_names_nothing():
    rig = idle_rig()
    memory, slot = rig.engine.scheduler.memory, rig.slot("a")
    memory.rows.array[slot.row, 26] = memory.allocator.free_list.view()[0]
    assert counted(rig)[0].error == 0


def test_the_shared_prefix_of_a_row_belongs_to_the_tree_alone():
    """Two requests whose rows begin with the same 8 tree slots."""
    rig = Rig(tokens=96)
    for rid in ("x", "y"):
        rig.send(rid, 8, 30)
        rig.step(2)
    request = rig.request("x")
    assert request.protected == 8
    assert counted(rig)[0].error == 0


def test_a_turn_and_the_slot_that_lends_it_the_row_are_one_owner():
    rig = idle_rig()
    rig.turn("a/2", 10, 8)
    rig.step(2)
    assert rig.slot("a").row == rig.request("a/2").row
    full, rows = counted(rig)
    assert (full.error, rows.error) == (0, 0)


def test_a_slot_names_no_more_than_the_turn_that_has_overwritten_its_row():
    """0.5.10 forgets the tail: slot a = 26 and 5 more, the next turn reaches to 27 only."""
    rig = Rig("sglang-0.5.10", add=[22753])
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    memory, slot = rig.engine.scheduler.memory, rig.slot("a")
    memory.rows.write(slot.row, 26, memory.allocator.alloc(5, slot.tag))
    slot.allocated = 31
    memory.book.post("a", slot)
    rig.turn("a/2", 1, 9)
    rig.step()
    assert rig.request("a/2").allocated == 27
    assert slot.allocated == 31
    assert counted(rig)[0].lost == 6


def test_what_the_slot_of_a_closed_session_names_is_lost():
    rig = idle_rig()
    del rig.engine.scheduler.controller.sessions["a"]
    full, rows = counted(rig)
    assert (full.lost, full.extra) == (6, 0)
    assert (rows.lost, rows.extra) == (1, 0)


def test_a_row_that_nobody_has_is_lost_and_one_that_is_free_and_used_is_extra():
    rig = idle_rig()
    free = rig.engine.scheduler.memory.rows.free
    row = free.popleft()
    _, rows = counted(rig)
    assert (rows.lost, rows.lost_units) == (1, (row,))
    free.extend([row, rig.slot("a").row])
    _, rows = counted(rig)
    assert (rows.lost, rows.extra, rows.shared_units) == (0, 1, (rig.slot("a").row,))


def test_a_request_that_waits_without_a_row_owns_nothing():
    rig = idle_rig()
    rig.send("late", 8, 4)
    assert list(live_requests(rig.engine.scheduler)) == []


def test_a_finished_turn_in_the_last_batch_owns_nothing():
    """Its row is the slot's again, although the batch that it ran in is still the last one."""
    rig = Rig(tokens=96)
    rig.open("a")
    rig.turn("a/1", 20, 1)
    rig.step(2)
    assert [r.rid for r in rig.engine.scheduler.last.reqs] == ["a/1"]
    assert list(live_requests(rig.engine.scheduler)) == []
    assert counted(rig)[0].error == 0


# -- locks and content --------------------------------------------------------------------------------------


def test_every_lock_has_a_holder():
    rig = idle_rig()
    rig.send("s", 8, 4)
    rig.step(2)
    assert lock_breaches(rig.engine.scheduler) == []


@pytest.mark.parametrize("by", [1, -1])
def test_a_lock_without_a_holder_or_a_holder_without_a_lock(by):
    rig = idle_rig()
    held = next(n for n in rig.engine.scheduler.memory.tree.nodes() if n.lock_ref)
    held.lock_ref += by
    (found,) = lock_breaches(rig.engine.scheduler)
    assert found.text == f"a node of 20 tokens has lock_ref {1 + by}, but 1 hold it"


def test_a_turn_that_waits_holds_nothing_wherever_it_was_matched_last():
    """Refused once it was lent the row of its session; then the order of the queue looks it up in the tree."""
    rig = idle_rig(policy="lpm")
    rig.turn("a/2", 10, 4)
    for _ in range(2):
        rig.refuse("a/2")
        rig.step()
    (waits,) = rig.engine.scheduler.waiting
    assert waits.row is not None
    assert waits.last_node is not None
    waits.last_node = next(n for n in rig.engine.scheduler.memory.tree.nodes() if n.lock_ref)
    assert lock_breaches(rig.engine.scheduler) == []


def misreads(rig):
    scheduler = rig.engine.scheduler
    read_back(scheduler)
    found, scheduler.forward.misreads[:] = list(scheduler.forward.misreads), []
    return [(m.rid, m.what.split(" of request")[0], m.size) for m in found]


def test_what_tree_and_slots_keep_reads_back_as_written():
    assert misreads(idle_rig()) == []


def test_content_that_changed_is_found_where_it_stands():
    rig = idle_rig()
    memory, slot = rig.engine.scheduler.memory, rig.slot("a")
    memory.kv.headers[memory.rows.read(slot.row, 24, 26)] += 1
    memory.kv.headers[next(n for n in memory.tree.nodes() if len(n.key) == 4).value[3]] = 0
    assert sorted(misreads(rig)) == [("a/1", "position 24", 2), ("the tree", "position 11", 1)]


def test_cursors_out_of_order_are_not_read():
    rig = idle_rig()
    rig.slot("a").committed = 100_000
    assert misreads(rig) == []
