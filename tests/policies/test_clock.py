"""How long a request is for window eviction, and what follows for the cap of 22900."""

import numpy as np
import pytest
from helpers.rig import Rig
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.clock import Committed, Reserved, Text
from sim.config import SpeculativeConfig, SwaConfig
from sim.scheduler.table import FIELDS, OUT, PROMPT, A, C

FOUNDING = {
    "speculative": SpeculativeConfig(steps=3, topk=1, draft=4), "radix": False, "chunked_prefill": 64,
    "swa": SwaConfig(tokens=800, window=1, eviction_multiplier=3),
}  # fmt: skip


def test_a_clock_shows_the_text_what_is_committed_or_what_is_reserved():
    table = np.zeros((FIELDS, 2), dtype=np.int64)
    for line, value in ((PROMPT, 26), (OUT, 10), (C, 37), (A, 44)):
        table[line, 1] = value
    clocks = (Text, Committed, Reserved)
    assert [clock().lengths(table, np.array([1])).tolist() for clock in clocks] == [[35], [37], [44]]
    assert [clock.counts_reserved for clock in clocks] == [False, False, True]


def turn(clock, *, revert=(22900,), **more):
    rig = Rig(revert=revert, decide={"clock": clock}, **(FOUNDING | more))
    rig.open("a")
    rig.turn("a/1", 26, 12, accept=(1, 4, 4, 4, 4))
    rig.step(5)
    request = rig.request("a/1")
    before = (request.committed, request.allocated, request.evicted, request.out)
    check = rig.step().release_check
    return rig, before, check


def test_22900_taken_out_loses_four_slots_of_the_count_at_the_end_of_the_turn():
    rig, before, check = turn("reserved")
    assert before == (36, 40, 33, 10)
    slot = rig.slot("a")
    assert (slot.committed, slot.allocated, slot.evicted) == (38, 38, 42)
    assert check == (
        "SWA Pool Mem Leak Detected! [swa] total=800, available=800, evictable=0, protected=0, session_held=-4, "
        "uncached=0"
    )
    assert rig.engine.snapshot().pools["swa"].delta == -4
    assert rig.engine.snapshot().pools["full"].delta == 0


def test_with_22900_the_same_turn_is_clean():
    rig, before, check = turn("reserved", revert=())
    assert before == (36, 40, 33, 10)
    assert (rig.slot("a").allocated, rig.slot("a").evicted, check) == (38, 38, None)
    assert rig.engine.snapshot().pools["swa"].delta == 0


@pytest.mark.parametrize("clock", ["text", "committed"])
def test_through_these_clocks_the_fault_of_22900_is_out_of_reach(clock):
    rig, _, check = turn(clock)
    rig.drain()
    assert check is None
    assert rig.slot("a").evicted < 38
    assert rig.verdicts == []


def test_with_22862_the_next_turn_caps_the_cursor_too_and_the_count_is_whole_again():
    rig, _, _ = turn("reserved")
    rig.turn("a/2", 22, 8)
    rig.step()
    assert rig.request("a/2").evicted == 38
    assert rig.engine.snapshot().pools["swa"].delta == 0


def test_what_a_cursor_left_behind_a_cut_skips_stays_lost_to_the_count_until_the_session_closes():
    rig, _, _ = turn("reserved", revert=[22862, 22900])
    scheduler = rig.engine.scheduler
    rig.turn("a/2", 22, 8)
    rig.step()
    request, pool = rig.request("a/2"), scheduler.memory.swa
    assert (request.prompt_len, request.evicted) == (60, 42)

    def held():
        row = scheduler.memory.rows.read(request.row, 0, 60)
        return int((pool.mapping[row] > 0).sum())

    assert (held(), 60 - request.evicted) == (22, 18)
    assert rig.engine.snapshot().pools["swa"].delta == -4
    scheduler.window.evict(request, 52)
    assert (held(), 60 - request.evicted) == (14, 10)
    row = scheduler.memory.rows.read(request.row, 38, 42)
    assert (pool.mapping[row] > 0).all()


@settings(max_examples=25, deadline=None)
@given(
    clock=st.sampled_from(["text", "committed"]), window=st.integers(1, 4), multiplier=st.sampled_from([1.0, 2.0, 3.0]),
    prompt=st.integers(1, 30), out=st.integers(1, 30), accept=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    overlap=st.booleans(), page=st.sampled_from([1, 4]),
)  # fmt: skip
def test_no_turn_ends_with_its_cursor_beyond_its_text(clock, window, multiplier, prompt, out, accept, overlap, page):
    rig = Rig(
        revert=[22900], decide={"clock": clock}, page_size=page, overlap=overlap,
        speculative=SpeculativeConfig(steps=7, topk=1, draft=8),
        swa=SwaConfig(tokens=800, window=window, eviction_multiplier=multiplier),
    )  # fmt: skip
    rig.open("a")
    for number in (1, 2):
        rig.run_turn(f"a/{number}", prompt, out, accept=tuple(accept))
        assert rig.slot("a").evicted <= rig.slot("a").allocated
    assert rig.verdicts == []
