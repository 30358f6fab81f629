"""Mistakes planted into the model, one at a time: each is found, as the right verdict or as a fault of ours."""

import pytest
from helpers.rig import Rig

from sim.ledger.auditor import OurFault
from sim.world import Segment

SHARED = Segment(name="shared", length=12)


def prompt(name, length=6):
    return (SHARED, Segment(name=name, length=length))


def day(rig, after=lambda: None):
    """Shared prefixes, two turns, a retract, eviction under pressure, and a close; `after` runs in the middle."""
    rig.open("a")
    rig.send("r1", 18, 4)
    rig.run_turn("a/1", 20, 6)
    rig.turn("a/2", 10, 8)
    rig.send("r2", 18, 6)
    rig.step(4)
    rig.retract()
    rig.drain()
    after()
    rig.send("r3", 60, 4)
    rig.run_turn("a/3", 6, 4)
    rig.send("r4", 18, 3)
    rig.drain()
    rig.close("a")
    rig.send("r5", 70, 3)
    rig.drain()
    rig.auditor.finish()


def small(**more):
    """A pool in which the last two requests need the slots of the first ones."""
    return Rig(tokens=128, **more)


def found(rig, after=lambda: None):
    """What a day shows: the kinds of the verdicts, or `our fault`."""
    try:
        day(rig, after)
    except OurFault:
        return ["our fault"]
    return rig.kinds


class At:
    """Replace one call of a method by something wrong; the other calls go through, and only some count."""

    def __init__(self, monkeypatch, target, name, call, wrong, counts=lambda *args: True):
        self.seen, original = 0, getattr(target, name)

        def planted(*args, **more):
            self.seen += bool(counts(*args))
            return wrong(original, *args, **more) if self.seen == call else original(*args, **more)

        monkeypatch.setattr(target, name, planted)


def not_empty(slots, owner):
    return len(slots)


@pytest.mark.parametrize("page_size", [1, 16])
@pytest.mark.parametrize("overlap", [True, False])
def test_without_a_mistake_the_day_is_clean(page_size, overlap):
    rig = small(page_size=page_size, overlap=overlap)
    assert found(rig) == []
    assert rig.auditor.loss() == (0, 0)


# -- who owns what ------------------------------------------------------------------------------------------


def test_a_slot_freed_twice(monkeypatch):
    rig = small()

    def twice(free, slots, owner):
        free(slots, owner)
        free(slots, owner)

    At(monkeypatch, rig.engine.scheduler.memory.allocator, "free", 2, twice, counts=not_empty)
    assert found(rig)[0] == "double-free"
    assert rig.auditor.loss()[1] > 0


def test_a_slot_put_back_behind_the_ledgers_back(monkeypatch):
    rig = small()
    free_list = rig.engine.scheduler.memory.allocator.free_list
    assert found(rig, lambda: free_list.put_back(free_list.view()[:1])) == ["our fault"]


def test_a_free_that_is_forgotten(monkeypatch):
    rig = small()
    At(monkeypatch, rig.engine.scheduler.memory.allocator, "free", 2, lambda *args: None, counts=not_empty)
    assert found(rig)[0] == "leak"
    assert rig.auditor.loss()[0] > 0


def test_a_slot_handed_out_that_stays_in_the_free_list(monkeypatch):
    rig = small()
    allocator = rig.engine.scheduler.memory.allocator

    def keeping(alloc, seq, last, owners):
        slots = alloc(seq, last, owners)
        allocator.free_list.put_front(slots[:1])
        return slots

    At(monkeypatch, allocator, "alloc_decode", 3, keeping)
    assert found(rig) == ["our fault"]


def test_a_node_that_names_the_slot_of_another(monkeypatch):
    rig = small()
    tree = rig.engine.scheduler.memory.tree

    def confuse():
        first, second = list(tree.nodes())[:2]
        second.value[0] = first.value[0]

    kinds = found(rig, confuse)
    assert {"leak", "silent"} & set(kinds)
    assert {"alias", "silent", "corrupt"} & set(kinds)


def test_a_row_that_names_a_slot_of_the_free_list(monkeypatch):
    """The books do not look at rows: they balance over it."""
    rig = small()
    memory = rig.engine.scheduler.memory

    def rewire():
        slot = rig.slot("a")
        memory.rows.array[slot.row, slot.committed - 1] = memory.allocator.free_list.view()[0]

    kinds = found(rig, rewire)
    assert kinds.count("silent") >= 2
    assert "corrupt" in kinds


def test_a_row_freed_twice(monkeypatch):
    rig = small()

    def twice(give_back, row, owner):
        give_back(row, owner)
        give_back(row, owner)

    At(monkeypatch, rig.engine.scheduler.memory.rows, "give_back", 2, twice)
    found(rig)
    first = rig.verdicts[0]
    assert (first.verdict, first.pool, first.size) == ("double-free", "rows", 1)


def test_a_row_that_is_never_given_back(monkeypatch):
    rig = small()

    def keep(give_back, row, owner):
        rig.engine.scheduler.memory.rows.extent[row] = 0

    At(monkeypatch, rig.engine.scheduler.memory.rows, "give_back", 2, keep)
    found(rig)
    assert ("leak", "rows", -1) in [(v.verdict, v.pool, v.size) for v in rig.verdicts]


def test_a_posting_that_is_left_out(monkeypatch):
    """The tree takes slots over, and nobody tells the ledger: the request seems to lose them when it ends."""
    rig = small()
    At(monkeypatch, rig.engine.scheduler.memory.tree, "_post", 1, lambda *args: None)
    assert found(rig)[0] == "leak"


def test_names_that_are_lost_without_a_posting_are_found_by_the_recount(monkeypatch):
    """With 22862 taken out, and a ledger that forgets how far rows reach: postings see nothing, the recount does."""
    rig = small(revert=[22862])
    monkeypatch.setattr(rig.engine.scheduler.memory, "lose_names", lambda *args: None)
    found(rig)
    leak = next(v for v in rig.verdicts if v.verdict == "leak")
    assert leak.size == -1
    assert leak.cause.what == "1 slot belongs to nobody (found by the recount)"


# -- what the books say --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["evictable", "protected"])
@pytest.mark.parametrize("by", [1, -1])
def test_a_counter_of_the_tree_off_by_one(name, by):
    rig = small()
    tree = rig.engine.scheduler.memory.tree
    assert found(rig, lambda: setattr(tree, name, getattr(tree, name) + by)) == ["our fault"]


def test_a_counter_that_is_off_both_ways():
    """The sum is right, its terms are not."""
    rig = small()
    tree = rig.engine.scheduler.memory.tree

    def shift():
        tree.evictable -= 1
        tree.protected += 1

    assert found(rig, shift) == ["our fault"]


def test_session_held_that_is_not_kept_up(monkeypatch):
    rig = small()
    At(monkeypatch, rig.engine.scheduler.memory.book, "post", 1, lambda *args: None)
    assert found(rig) == ["our fault"]


def test_uncached_that_is_stale(monkeypatch):
    rig = small()
    view = rig.engine.scheduler.view
    monkeypatch.setattr(view, "uncached", lambda pool="full": view._uncached.get(pool, 0))
    assert found(rig) == ["our fault"]


def test_a_batch_counted_twice(monkeypatch):
    rig = small()
    view = rig.engine.scheduler.view
    batches = view.batches
    monkeypatch.setattr(view, "batches", lambda: batches() * 2)
    assert found(rig) == ["our fault"]


# -- locks, cursors, content ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lock", "unlock"])
def test_a_lock_that_is_not_taken_or_not_released(monkeypatch, name):
    """No sum and no owner is wrong, but a node is locked more, or less, often than it is held."""
    rig = small()
    tree = rig.engine.scheduler.memory.tree
    At(monkeypatch, tree, name, 2, lambda *args: None, counts=lambda node: node is not tree.root)
    rig.send("r1", 18, 4)
    rig.send("r2", 18, 4)
    rig.drain()
    first = rig.verdicts[0]
    assert (first.verdict, first.invariant, first.request) == ("watermark", "INV-7", None)
    assert "18 tokens has lock_ref" in first.message


@pytest.mark.parametrize(
    ("cursors", "invariant"),
    [({"committed": 0}, "INV-4"), ({"committed": 10_000}, "INV-4"), ({"protected": 1000}, "INV-4")],
)
def test_a_cursor_out_of_order(cursors, invariant):
    rig = small()
    scheduler = rig.engine.scheduler

    def shift():
        slot = rig.slot("a")
        for name, value in cursors.items():
            setattr(slot, name, value)
        scheduler.memory.book.post("a", slot)
        scheduler.view.changed()
        rig.send("x", 1, 1)
        assert [v.invariant for v in rig.verdicts if v.verdict == "watermark"] == [invariant]
        raise OurFault("seen")

    found(rig, shift)
    assert "watermark" in rig.kinds


def test_kv_overwritten_in_a_sessions_slot():
    rig = small()
    memory = rig.engine.scheduler.memory

    def scribble():
        slot = rig.slot("a")
        memory.kv.headers[memory.rows.read(slot.row, slot.committed - 2, slot.committed - 1)] += 1

    found(rig, scribble)
    first = rig.verdicts[0]
    assert (first.verdict, first.size, first.session, first.invariant) == ("corrupt", 1, "a", "INV-6")


def test_kv_overwritten_in_the_tree():
    rig = small()
    memory = rig.engine.scheduler.memory
    found(rig, lambda: memory.kv.write(next(iter(memory.tree.nodes())).value, 5))
    assert rig.kinds[0] == "corrupt"


def test_kv_written_to_the_wrong_position(monkeypatch):
    """A decode step that writes one position too early: counts are right, content is not."""
    rig = small()
    kv = rig.engine.scheduler.memory.kv
    At(monkeypatch, kv, "write", 5, lambda write, slots, headers: write(slots, headers - (1 << 20)))
    assert "corrupt" in found(rig)
    assert {"leak", "alias", "false-alarm"}.isdisjoint(rig.kinds)


# -- decisions of a user's policy -----------------------------------------------------------------------------


def test_a_policy_that_forgets_the_tail(monkeypatch):
    rig = small()
    monkeypatch.setattr(type(rig.engine.release.tail), "resumed", lambda *args: None)
    rig.open("a")
    rig.turn("a/1", 20, 8)
    rig.step(4)
    rig.retract(how="memory")
    rig.drain()
    assert [(v.verdict, v.size) for v in rig.verdicts] == [("leak", -1)]


def test_a_policy_that_counts_nothing_as_held(monkeypatch):
    rig = small()
    monkeypatch.setattr(type(rig.engine.release.held), "tokens", lambda *args: 0)
    assert set(found(rig)) == {"false-alarm"}
    assert rig.auditor.loss() == (0, 0)
