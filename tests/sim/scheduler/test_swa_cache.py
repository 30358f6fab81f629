"""Requests and sessions over the tree of two halves: what is shared, cut, locked and given back."""

import pytest
from helpers.kvtest import plain
from helpers.rig import Rig
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.config import SpeculativeConfig, SwaConfig
from sim.engines.protocol import EngineCrash, Request
from sim.ledger.owners import NODE
from sim.scheduler.session import VirtualNode
from sim.world import Segment

OLD, NEW = "sglang-0.5.10", "sglang-0.5.11"


def rig_of(release=NEW, *, window=8, swa=600, **more):
    return Rig(release, swa=SwaConfig(tokens=swa, window=window), **more)


def shared(rid, tail, output, common=40):
    """A request whose first `common` tokens are those of the others."""
    segments = (Segment(name="common", length=common), Segment(name=rid, length=tail))
    return Request(rid=rid, prompt=segments, max_new=output)


def swa_of(rig):
    return rig.engine.snapshot().pools["swa"]


def test_a_request_that_ends_leaves_what_its_window_left_as_a_tombstone():
    rig = rig_of(overlap=False)
    rig.send("r", 10, 40)
    rig.drain()
    lengths = [(node.depth, node.length, node.tombstone) for node in rig.engine.layout().tree]
    assert sorted(lengths) == [(0, 10, False), (10, 24, True), (34, 15, False)]
    assert (rig.terms.evictable, swa_of(rig).evictable) == (49, 25)
    assert rig.verdicts == []


def test_a_prompt_is_shared_and_its_window_locked_while_the_turn_runs():
    rig = rig_of(overlap=False)
    rig.submit(shared("a", 10, 30))
    rig.step()
    assert (rig.terms.protected, swa_of(rig).protected) == (50, 50)
    rig.submit(shared("b", 10, 30))
    rig.step(2)
    marked = [(node.depth, node.length, node.lock_ref, node.other_lock) for node in rig.engine.layout().tree]
    assert sorted(marked) == [(0, 40, 2, 1), (40, 10, 1, 1), (40, 10, 1, 1)]


def test_a_tombstone_that_is_computed_again_gets_its_windowed_half_back():
    rig = rig_of(overlap=False, window=8)
    rig.send("r", 10, 40)
    rig.drain()
    spec = rig.engine.scheduler.memory.tree
    assert [node.tombstone for node in spec.by_use(other=False)] == [False, True, False]
    # The same text once more, one token short of what follows the tombstone: nothing of it is usable but the prompt.
    rig.submit(Request(rid="r", prompt=(Segment(name="r", length=10),), max_new=40))
    rig.drain()
    assert rig.verdicts == []
    assert rig.terms.delta == swa_of(rig).delta == 0


def test_what_is_taken_from_the_tree_belongs_to_nodes_in_both_pools():
    rig = rig_of(overlap=False)
    rig.send("r", 10, 40)
    rig.drain()
    memory = rig.engine.scheduler.memory
    for node in memory.tree.nodes():
        slots = plain(node.value)
        assert {int(memory.allocator.owners.tags[slot]) for slot in slots} == {node.tag}
        halves = {int(memory.swa.mapping[slot]) for slot in slots} - {0}
        assert {int(memory.swa.allocator.owners.tags[half]) & 3 for half in halves} <= {NODE}
        assert bool(halves) is not node.tombstone


@pytest.mark.parametrize("release", [OLD, NEW])
def test_a_session_that_closes_unlocks_down_to_its_mark(release):
    rig = rig_of(release, overlap=False)
    rig.open("a")
    rig.run_turn("a/1", 30, 30)
    slot = rig.slot("a")
    assert (slot.protected, slot.mark is not None) == (30, True)
    assert (rig.terms.protected, swa_of(rig).protected) == (30, 30)
    held = swa_of(rig).session_held
    assert held == slot.allocated - slot.evicted
    rig.close("a")
    rig.step(3)
    assert (rig.terms.protected, swa_of(rig).protected, swa_of(rig).session_held) == (0, 0, 0)
    # 0.5.10 counts a turn that has just ended twice, in both pools.
    assert {(v.verdict, v.pool) for v in rig.verdicts} <= {("false-alarm", "full"), ("false-alarm", "swa")}
    assert not (release == NEW and rig.verdicts)


def test_a_turn_that_is_aborted_gives_back_what_its_window_has_not():
    rig = rig_of(overlap=False)
    rig.open("a")
    rig.run_turn("a/1", 30, 30)
    rig.turn("a/2", 5, 60)
    rig.step(20)
    rig.abort("a/2")
    rig.drain()
    assert rig.verdicts == []
    assert (rig.terms.available, swa_of(rig).available) == (1000 - 30, 600 - 30)
    assert (rig.terms.evictable, swa_of(rig).evictable) == (30, 30)


@pytest.mark.parametrize("node", [None, VirtualNode()])
def test_unlocking_no_node_of_the_tree_stops_the_release(node):
    rig = rig_of()
    with pytest.raises(EngineCrash, match="has no attribute 'full_lock_ref'"):
        rig.engine.scheduler.cache.inner.unlock(node)


def test_without_a_tree_a_request_gives_all_of_it_back_at_its_end():
    rig = rig_of(overlap=False, radix=False, chunked_prefill=16)
    rig.submit(shared("a", 10, 30))
    rig.drain()
    assert (rig.terms.available, swa_of(rig).available) == (1000, 600)
    assert rig.verdicts == []


@pytest.mark.parametrize("chunked_prefill", [None, 16])
def test_without_a_tree_sessions_go_on_as_with_one(chunked_prefill):
    rig = rig_of(radix=False, chunked_prefill=chunked_prefill)
    rig.open("a")
    for number in range(1, 4):
        rig.run_turn(f"a/{number}", 20, 12)
        assert rig.slot("a").protected == 0
    rig.close("a")
    rig.drain()
    assert (rig.terms.available, swa_of(rig).available) == (1000, 600)
    assert rig.verdicts == []


def test_a_chunk_that_finds_no_windowed_memory_is_parked_by_0_5_11():
    rig = rig_of(swa=40, window=8, overlap=False, chunked_prefill=16, conservativeness=0.05)
    rig.send("a", 10, 100)
    rig.send("c", 10, 100)
    rig.step(2)
    rig.send("b", 60, 1)
    scheduler = rig.engine.scheduler
    rig.step(2)
    assert scheduler.chunked is rig.request("b")
    assert scheduler.chunked in scheduler.last.reqs
    rig.step()
    assert scheduler.chunked is rig.request("b")
    assert scheduler.chunked not in scheduler.last.reqs
    assert rig.kinds == []
    # It was made whole before it was parked: what its row names beyond its 19 slots is put into the tree next.
    assert (rig.request("b").fill_len, rig.request("b").allocated) == (60, 19)
    rig.step()
    assert rig.request("b").protected == 60
    assert "leak" in rig.kinds or rig.verdicts


@pytest.mark.parametrize("release", [OLD, NEW])
def test_a_tombstone_under_a_running_request_is_replaced_and_freed_under_it(release):
    rig = rig_of(release, overlap=False)

    def prefix(count):
        return Segment(name="r", length=count)

    rig.send("r", 10, 40)
    rig.drain()
    # b runs on all of r's text: a window follows the tombstone. a shares less than that, and computes it once more.
    rig.submit(Request(rid="b", prompt=(prefix(48), Segment(name="b", length=4)), max_new=60))
    rig.step(3)
    tombstone = next(node for node in rig.engine.layout().tree if node.tombstone)
    assert (tombstone.lock_ref, rig.kinds) == (1, [])
    rig.submit(Request(rid="a", prompt=(prefix(38), Segment(name="a", length=6)), max_new=20))
    rig.step(2)
    memory, request = rig.engine.scheduler.memory, rig.request("b")
    named = plain(memory.rows.read(request.row, 0, request.allocated))
    free = set(plain(memory.allocator.free_list.view()))
    at = [position for position, slot in enumerate(named) if slot in free]
    assert at == list(range(tombstone.depth, tombstone.depth + tombstone.length))
    # Every sum is whole, and no check of the release says a word.
    assert rig.terms.delta == swa_of(rig).delta == 0
    assert rig.kinds == ["silent"]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([1, 4, 16]), st.booleans(), st.booleans(), st.integers(2, 30), st.sampled_from([None, 16, 32]),
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=5), st.booleans(),
)  # fmt: skip
def test_sessions_and_requests_leave_the_books_of_both_pools_whole(
    page, overlap, speculative, window, chunk, sizes, radix
):
    rig = rig_of(
        page_size=page, overlap=overlap, window=window, tokens=1600, swa=1280, radix=radix,
        chunked_prefill=chunk, speculative=SpeculativeConfig() if speculative else None,
    )  # fmt: skip
    rig.open("a")
    for number, (prompt, output) in enumerate(sizes, 1):
        rig.turn(f"a/{number}", prompt, output)
        rig.submit(shared(f"r{number}", prompt, output, common=16))
        rig.drain()
    rig.close("a")
    rig.drain()
    books = rig.engine.snapshot().pools
    assert rig.verdicts == []
    assert {pool: terms.available + terms.evictable for pool, terms in books.items()} == {"full": 1600, "swa": 1280}
