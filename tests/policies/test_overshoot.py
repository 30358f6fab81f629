"""KV and tokens beyond the end of the text when a streaming turn finishes."""

import pytest
from helpers.kvtest import borrow, hold, new_scheduler, total_of
from helpers.rig import Rig
from hypothesis import given
from hypothesis import strategies as st

from policies.overshoot import Capped, Kept, Trimmed
from sim.config import SpeculativeConfig


def finishing(prompt, out, finished_len, c, a, page=1):
    """A turn that has just finished, on its session's row."""
    scheduler = new_scheduler(page_size=page, tokens=960)
    hold(scheduler, "s", p=0, c=c, a=a)
    req = borrow(scheduler, "s", "s/2", prompt=prompt)
    req.out, req.finished_len = out, finished_len
    return scheduler, req


def test_22897_trims_44_slots_to_38():
    scheduler, req = finishing(prompt=26, out=14, finished_len=12, c=40, a=44)
    before = scheduler.memory.allocator.available()
    Trimmed().trim(scheduler.cache, req)
    assert scheduler.memory.allocator.available() - before == 6
    assert (req.committed, req.allocated, req.out) == (38, 38, 12)


@pytest.mark.parametrize(("variant", "e"), [(Trimmed, 42), (Capped, 38)])
def test_22900_caps_how_far_the_window_has_gone_at_the_cut(variant, e):
    scheduler, req = finishing(prompt=26, out=14, finished_len=12, c=40, a=44)
    req.evicted = 42
    variant().trim(scheduler.cache, req)
    assert (req.committed, req.allocated, req.evicted, req.out) == (38, 38, e, 12)


@pytest.mark.parametrize("finished_len", [None, 12, 14])
def test_22900_leaves_a_cursor_alone_that_is_not_beyond_the_cut(finished_len):
    scheduler, req = finishing(prompt=26, out=14, finished_len=finished_len, c=40, a=44)
    req.evicted = 30
    Capped().trim(scheduler.cache, req)
    assert req.evicted == 30


def test_0_5_10_trims_nothing():
    scheduler, req = finishing(prompt=26, out=14, finished_len=12, c=40, a=44)
    Kept().trim(scheduler.cache, req)
    assert (req.committed, req.allocated, req.out) == (40, 44, 14)


@pytest.mark.parametrize(("a", "freed"), [(44, 0), (48, 0), (49, 16), (70, 32)])
def test_22897_frees_whole_pages_beyond_the_page_of_the_end(a, freed):
    scheduler, req = finishing(prompt=26, out=14, finished_len=12, c=40, a=a, page=16)
    before = scheduler.memory.allocator.available()
    Trimmed().trim(scheduler.cache, req)
    assert scheduler.memory.allocator.available() - before == freed
    assert req.allocated == 38


def test_without_a_finished_length_all_output_counts():
    scheduler, req = finishing(prompt=20, out=5, finished_len=None, c=25, a=30)
    Trimmed().trim(scheduler.cache, req)
    assert (req.committed, req.allocated, req.out) == (25, 25, 5)


def test_a_row_that_ends_with_the_text_is_left_alone():
    scheduler, req = finishing(prompt=20, out=6, finished_len=6, c=25, a=25)
    Trimmed().trim(scheduler.cache, req)
    assert (req.committed, req.allocated, req.out) == (25, 25, 6)


@given(
    st.sampled_from([1, 4, 16]), st.integers(1, 40), st.integers(0, 20), st.integers(0, 6), st.integers(0, 12)
)
def test_22897_keeps_the_books_whole(page, prompt, out, late, over):
    c = prompt + out
    scheduler, req = finishing(prompt, out, max(out - late, 0), c, c + over, page)
    Trimmed().trim(scheduler.cache, req)
    slot = scheduler.cache.slots["s"]
    slot.save(req, first=False)
    scheduler.memory.book.post("s", slot)
    assert total_of(scheduler) == 960
    assert slot.allocated == prompt + max(out - late, 0)


def test_a_round_that_overshoots_the_limit_leaves_a_text_that_ends_with_it():
    rig = Rig(speculative=SpeculativeConfig())
    rig.open("a")
    rig.run_turn("a/1", 20, 10, accept=(4,))
    (state,) = rig.engine.snapshot().sessions
    assert (state.c, state.a, state.history) == (30, 30, 30)


def test_without_22897_its_kv_reaches_beyond_the_text():
    rig = Rig(revert=[22897], speculative=SpeculativeConfig())
    rig.open("a")
    rig.run_turn("a/1", 20, 10, accept=(4,))
    (state,) = rig.engine.snapshot().sessions
    assert (state.c, state.history) == (33, 30)


def test_without_22897_tokens_behind_an_eos_stay_in_the_history():
    histories = []
    for revert in ((), (22897,)):
        rig = Rig(revert=revert, speculative=SpeculativeConfig())
        rig.open("a")
        rig.run_turn("a/1", 20, 30, accept=(4,), stop_at=6)
        histories.append(rig.engine.snapshot().sessions[0].history)
    assert histories == [26, 29]
