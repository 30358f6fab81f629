"""How much of its slot a turn resumes, and what becomes of the rest."""

import pytest
from helpers.kvtest import borrow, hold, new_scheduler, total_of
from helpers.rig import Rig
from hypothesis import given
from hypothesis import strategies as st

from policies.tail import FreedAtResume, Kept, TrimmedAtRelease
from sim.config import SpeculativeConfig
from sim.engines.protocol import EngineCrash


@pytest.mark.parametrize(
    ("committed", "key", "v10", "v11"),
    [(25, 25, 24, 25), (26, 25, 24, 25), (26, 27, 26, 26), (26, 26, 25, 26), (26, 40, 26, 26)],
)
def test_the_resumed_prefix(committed, key, v10, v11):
    assert Kept().prefix(committed, key, 20) == v10
    assert TrimmedAtRelease().prefix(committed, key, 20) == v10
    assert FreedAtResume().prefix(committed, key, 20) == v11


def test_an_empty_key_resumes_nothing_in_0_5_10():
    assert Kept().prefix(2000, 0, 1665) == 0


def test_22862_asserts_that_the_prefix_covers_the_protected_part():
    with pytest.raises(EngineCrash, match="streaming session prefix shrank"):
        FreedAtResume().prefix(26, 19, 20)


@pytest.mark.parametrize(
    ("page", "p", "a", "prefix", "freed"),
    [
        (1, 20, 26, 25, 1),
        (1, 20, 40, 26, 14),
        (16, 16, 46, 26, 16),
        (16, 16, 33, 32, 16),
        (16, 16, 26, 25, 0),
    ],
)
def test_22862_frees_what_lies_beyond_the_page_of_the_prefix(page, p, a, prefix, freed):
    scheduler = new_scheduler(page_size=page, tokens=960)
    slot = hold(scheduler, "s", p=p, c=min(a, 26), a=a)
    req = borrow(scheduler, "s", "s/2")
    before = scheduler.memory.allocator.available()
    FreedAtResume().resumed(scheduler.cache, slot, req, prefix)
    assert scheduler.memory.allocator.available() - before == freed
    assert (slot.allocated, slot.committed) == (prefix, min(26, prefix))
    assert (req.allocated, req.committed) == (prefix, min(26, prefix))


@given(st.sampled_from([1, 4, 16]), st.integers(0, 60), st.integers(0, 30), st.integers(0, 30))
def test_22862_frees_once_and_keeps_the_books_whole(page, committed, over, back):
    scheduler = new_scheduler(page_size=page, tokens=960)
    slot = hold(scheduler, "s", p=0, c=committed, a=committed + over)
    req = borrow(scheduler, "s", "s/2")
    FreedAtResume().resumed(scheduler.cache, slot, req, max(committed - back, 0))
    scheduler.memory.book.post("s", slot)
    assert total_of(scheduler) == 960
    assert not scheduler.memory.ledger.fresh


def test_21875_frees_the_overallocated_part_when_the_turn_ends():
    scheduler = new_scheduler()
    slot = hold(scheduler, "s", p=20, c=26, a=34)
    TrimmedAtRelease().released(scheduler.cache, slot)
    assert (slot.committed, slot.allocated) == (26, 26)
    assert scheduler.memory.allocator.available() == 1000 - 26


@pytest.mark.parametrize("tail", [Kept(), FreedAtResume()])
def test_the_others_keep_it_until_the_next_turn(tail):
    scheduler = new_scheduler()
    slot = hold(scheduler, "s", p=20, c=26, a=34)
    tail.released(scheduler.cache, slot)
    assert slot.allocated == 34
    assert scheduler.memory.allocator.available() == 1000 - 34


def retry(variant, *, overlap, page_size=1, output=6):
    """Turn 1, a prompt of 20, is retracted and goes on; how much is missing then."""
    rig = Rig(decide={"tail": variant}, overlap=overlap, page_size=page_size, tokens=960)
    rig.open("a")
    rig.turn("a/1", 20, output + 8)
    while rig.request("a/1").out < output:
        rig.step()
    rig.retract("a/1", how="memory" if overlap else "pause")
    rig.step(2)
    return -rig.terms.delta


@pytest.mark.parametrize(
    ("overlap", "page_size", "output", "leak"),
    [(False, 1, 6, 1), (True, 1, 6, 2), (False, 16, 6, 0), (True, 16, 6, 0), (True, 16, 13, 16)],
)
def test_a_retracted_turn_leaks_in_0_5_10_and_not_with_22862(overlap, page_size, output, leak):
    assert retry("kept", overlap=overlap, page_size=page_size, output=output) == leak
    assert retry("freed-at-resume", overlap=overlap, page_size=page_size, output=output) == 0


@pytest.mark.parametrize(("new", "leak"), [(1, 1), (2, 0), (10, 0)])
def test_a_turn_of_one_token_leaks_one_in_0_5_10(new, leak):
    rig = Rig(decide={"tail": "kept"})
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.run_turn("a/2", new, 4)
    assert -rig.terms.delta == leak


@pytest.mark.parametrize(
    ("variant", "leak"), [("kept", 4), ("trimmed-at-release", 0), ("freed-at-resume", 0)]
)
def test_the_overallocated_tail_of_a_speculative_turn_leaks_with_the_next_turn_in_0_5_10(variant, leak):
    rig = Rig(decide={"tail": variant, "overshoot": "kept"}, speculative=SpeculativeConfig())
    rig.open("a")
    rig.run_turn("a/1", 20, 12, accept=(3, 4, 4))
    assert rig.terms.delta == 0
    rig.run_turn("a/2", 10, 4)
    assert -rig.terms.delta == leak
