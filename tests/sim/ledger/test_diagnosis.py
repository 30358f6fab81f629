"""Why the books are off although the memory is sound: each owner that counts more, or less, often than once."""

from helpers.rig import Rig

from sim.config import MambaConfig, SwaConfig
from sim.ledger.diagnosis import miscounts


def borrowed(rig):
    """A turn of 10 tokens on the slot of a session with 6 private ones."""
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 4)
    rig.step()
    return miscounts(rig.engine.scheduler, "full")


def test_sound_books_have_no_miscount():
    assert borrowed(Rig()) == []


def test_a_borrowed_slot_counted_twice():
    """16 are the turn's, 6 of them stand in session_held again."""
    (found,) = borrowed(Rig(revert=[22753]))
    assert (found.session, found.request, found.true, found.counted) == ("a", "a/2", 16, 22)
    assert found.text == (
        "session a owns 16 private tokens, the books count 22: 16 in uncached (a/2) and 6 in session_held (a)"
    )


def test_a_finished_turn_that_is_still_in_the_last_batch():
    """0.5.10: its slot holds 20, and the turn, unmarked, counts the same 20."""
    rig = Rig("sglang-0.5.10", overlap=False)
    rig.open("a")
    rig.turn("a/1", 20, 6)
    rig.step(6)
    (found,) = miscounts(rig.engine.scheduler, "full")
    assert (found.session, found.true, found.counted) == ("a", 5, 10)


def test_a_flagged_slot_that_nobody_borrows_counts_nothing():
    """The turn was matched and refused: the flag is up, and nobody owns the 6 tokens."""
    rig = Rig(revert=[22753], add=[22213])
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.send("r", 5, 40)
    rig.step()
    rig.refuse("a/2", 1)
    rig.turn("a/2", 10, 4)
    rig.step()
    (found,) = miscounts(rig.engine.scheduler, "full")
    assert found.text == "session a owns 6 private tokens, the books count none of it"
    assert [(v.verdict, v.size) for v in rig.verdicts] == [("false-alarm", -6)]


def test_a_chunk_that_is_in_no_batch_counts_nothing():
    """Another request is taken back while a prompt is split: until it goes on, its 5 tokens are in neither batch."""
    rig = Rig(chunked_prefill=5, radix=False, overlap=False)
    rig.send("o", 5, 30)
    rig.step(3)
    rig.send("r", 12, 3)
    rig.step()
    rig.retract("o")
    (found,) = miscounts(rig.engine.scheduler, "full")
    assert found.text == "request r owns 5 private tokens, the books count none of it"
    assert [(v.verdict, v.size, v.request) for v in rig.verdicts] == [("false-alarm", -5, "r")]


def test_a_leaf_that_the_tree_counts_as_windowed_memory_and_that_has_none():
    """0.5.10, a window shorter than a page: all windowed pages are given back before the text is cached."""
    rig = Rig("sglang-0.5.10", tokens=1024, page_size=16, swa=SwaConfig(tokens=512, window=5))
    rig.send("r", 20, 40)
    rig.drain()
    scheduler = rig.engine.scheduler
    (found,) = miscounts(scheduler, "swa")
    assert (found.session, found.request, found.counted, found.true, found.pool) == (None, None, 32, 0, "swa")
    what = "the tree's node of positions 16 to 47, slots 32–63, owns 0 SWA tokens, the books count 32 in"
    assert found.text == f"{what} evictable"
    assert [v.cause.what for v in rig.verdicts if v.verdict == "false-alarm"] == [found.text]
    assert miscounts(scheduler, "full") == []

    rig.send("s", 2, 9)
    (leaf,) = scheduler.memory.tree.root.children.values()
    leaf.lock_ref = leaf.other_lock = 1
    for node in leaf.children.values():
        node.other_lock = 1
    (found,) = miscounts(scheduler, "swa")
    assert found.text == f"{what} protected"


def test_states_that_the_tree_counts_and_no_node_has():
    rig = Rig(mamba=MambaConfig(slots=30))
    rig.send("r", 20, 6)
    rig.drain()
    scheduler = rig.engine.scheduler
    assert miscounts(scheduler, "mamba") == []
    scheduler.memory.tree.other_evictable += 2
    scheduler.view.changed()
    (found,) = miscounts(scheduler, "mamba")
    assert found.text.startswith("the tree has ")
    assert found.counted - found.true == 2
