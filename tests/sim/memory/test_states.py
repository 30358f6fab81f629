"""The state pool against a list: the order of free slots, what a slot holds, who owns it."""

import pytest
from helpers.kvtest import DEVICES, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.config import MambaConfig
from sim.ledger.owners import FREE, NOBODY, REQUEST, Ledger, TagPool
from sim.memory.backend import backend
from sim.memory.presets import PRESETS
from sim.memory.states import StateNames, StatePool

SLOTS = 8
ME, YOU = 4 + REQUEST, 8 + REQUEST


def pool_of(*, slots=SLOTS, model="tiny", strategy="no_buffer", overlap=True, device="cpu", page_size=1):
    place = backend(device)
    return StatePool(
        place, MambaConfig(slots=slots, strategy=strategy), PRESETS[model], TagPool(Ledger(), place, "mamba", slots, 1),
        page_size=page_size, overlap=overlap,
    )  # fmt: skip


operation = st.one_of(
    st.tuples(st.just("alloc"), st.integers(0, 3)),
    st.tuples(st.just("free"), st.integers(0, 9)),
    st.tuples(st.just("fork"), st.integers(0, 9)),
    st.tuples(st.just("write"), st.integers(1, 99)),
    st.tuples(st.just("copy"), st.integers(0, 9)),
)


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=200, deadline=None)
@given(operations=st.lists(operation, max_size=40))
def test_it_does_what_a_list_does(device, operations):
    pool = pool_of(device=device)
    free, held = list(range(1, SLOTS + 1)), {}
    for name, number in operations:
        some = list(held)[number % len(held)] if held else None
        if name == "alloc":
            taken = pool.alloc(number, ME)
            assert taken == (None if number > len(free) else tuple(free[:number]))
            held |= dict.fromkeys(taken or (), None)
            free = free[len(taken or ()) :]
        elif some is None:
            continue
        elif name == "free":
            pool.free([some], ME)
            free.append(some)
            del held[some]
        elif name == "fork":
            slot = pool.fork(some, ME)
            assert slot == (free[0] if free else None)
            if slot is not None:
                held[free.pop(0)] = held[some]
        elif name == "write":
            pool.marks.stamp([some], ME, number)
            held[some] = number
        else:
            other = list(held)[-1]
            pool.copy(some, other, ME)
            held[other] = held[some]
    assert plain(pool.free_list.view()) == free
    assert pool.available() == len(free)
    for slot in range(1, SLOTS + 1):
        assert int(pool.owners.tags[slot]) == (ME if slot in held else FREE)
    for slot, position in held.items():
        assert pool.marks.place(slot) == (None if position is None else (ME, position))
    assert not pool.owners.ledger.fresh


@pytest.mark.parametrize("model", ["tiny", "qwen3-next-80b-a3b"])
def test_a_slot_is_zeroed_when_it_is_taken_and_copied_as_a_whole(model):
    pool = pool_of(slots=2, model=model)
    (one,) = pool.alloc(1, ME)
    for tensor in (pool.conv, pool.temporal):
        tensor[one] = 7
    two = pool.fork(one, ME)
    for tensor in (pool.conv, pool.temporal):
        assert bool((tensor[two, 1:] == 7).all()), "the first word of the temporal state is the canary"
    pool.free([one], ME)
    pool.free([two], ME)
    (again,) = pool.alloc(1, YOU)
    assert again == one
    assert not any(bool(tensor[one].any()) for tensor in (pool.conv, pool.temporal))
    assert bool(pool.temporal[two].any())


def test_qwen3_next_takes_what_its_states_take():
    pool = pool_of(slots=2, model="qwen3-next-80b-a3b")
    assert pool.nbytes == 3 * 77_266_944


def test_a_state_freed_twice_stands_twice_in_the_list_and_is_found_at_once():
    pool = pool_of()
    (slot,) = pool.alloc(1, ME)
    pool.free([slot], ME)
    assert not pool.owners.ledger.fresh
    pool.free([slot], ME)
    assert [fault.kind for fault in pool.owners.ledger.fresh] == ["double-free"]
    assert plain(pool.free_list.view()).count(slot) == 2
    assert pool.available() == SLOTS + 1


def test_a_state_that_changes_hands_bears_its_heir_s_mark_at_the_same_position():
    pool = pool_of()
    (slot,) = pool.alloc(1, ME)
    pool.marks.stamp([slot], ME, 40)
    pool.give(slot, ME, YOU)
    assert (int(pool.owners.tags[slot]), pool.marks.place(slot)) == (YOU, (YOU, 40))


def test_what_loses_its_last_name_is_nobodys():
    pool = pool_of()
    mine = pool.alloc(2, ME)
    pool.lose([*mine, 5], ME, "closed")
    assert [int(pool.owners.tags[slot]) for slot in (*mine, 5)] == [NOBODY, NOBODY, FREE]
    assert [(fault.kind, fault.count) for fault in pool.owners.ledger.fresh] == [("orphan", 2)]


@pytest.mark.parametrize(
    ("strategy", "overlap", "snapshots"),
    [("no_buffer", True, 0), ("extra_buffer", True, 2), ("extra_buffer", False, 1)],
)
def test_snapshots_per_request(strategy, overlap, snapshots):
    assert pool_of(strategy=strategy, overlap=overlap).buffers == snapshots


def test_the_grid_of_kept_positions_is_a_page_at_least():
    assert (pool_of().chunk, pool_of(page_size=128, strategy="extra_buffer").chunk) == (64, 128)


@pytest.mark.parametrize(("overlap", "order"), [(True, [0, 1, 0]), (False, [0, 0, 0])])
def test_snapshots_take_turns_where_there_are_two(overlap, order):
    pool = pool_of(strategy="extra_buffer", overlap=overlap)
    names = StateNames(snapshots=pool.alloc(pool.buffers, ME), next=0)
    written = []
    for position in (64, 128, 192):
        written.append(names.next)
        pool.snapshot(names, position, ME)
        assert pool.marks.place(names.snapshots[written[-1]]) == (ME, position)
        assert names.tracked == position
    assert written == order
    assert names.snapshots[pool.other(names.next)] == names.snapshots[written[-1]]


def test_names_are_listed_running_state_first():
    assert StateNames(3, (1, 2), 0).all == (3, 1, 2)
    assert StateNames(None, (1, 2), 0).all == (1, 2)
    names = StateNames(3, (1,), 0, 64, 128)
    copied = names.copy()
    names.slot = None
    assert (copied.slot, copied.tracked, copied.branching) == (3, 64, 128)
