"""The canary: what is written in a slot is found there again, and nothing else passes for it."""

import pytest
from helpers.kvtest import DEVICES, ints
from hypothesis import given
from hypothesis import strategies as st

from sim.memory.backend import backend
from sim.memory.kvpool import GARBAGE, PLACE_STEP, KVPool, header_of, writer_base
from sim.memory.presets import PRESETS
from sim.world import EOS, stream

TINY = PRESETS["tiny"]


def pool(device="cpu", slots=64, model="tiny"):
    return KVPool(backend(device), slots, PRESETS[model])


def write(kv, slots, start, tokens, serial=0):
    put = kv._backend.put
    positions = put(list(range(start, start + len(tokens))))
    kv.write(put(slots), header_of(positions, put(tokens), writer_base(serial)))


def wrong(kv, slots, start, tokens):
    put = kv._backend.put
    return kv.wrong(put(slots), put(list(range(start, start + len(tokens)))), put(tokens))


@pytest.mark.parametrize("device", DEVICES)
@given(st.integers(0, 2**21 - 40), st.lists(st.integers(0, 2**20 - 1), min_size=1, max_size=20),
       st.integers(0, 2**23))  # fmt: skip
def test_what_was_written_is_found(device, start, tokens, serial):
    kv = pool(device)
    slots = list(range(1, len(tokens) + 1))
    write(kv, slots, start, tokens, serial)
    assert wrong(kv, slots, start, tokens) == []


@pytest.mark.parametrize("device", DEVICES)
@given(st.sets(st.integers(0, 9)))
def test_exactly_the_tokens_that_differ_are_named(device, changed):
    kv = pool(device)
    tokens = [100 + i for i in range(10)]
    write(kv, list(range(1, 11)), 5, [t + 500 * (i in changed) for i, t in enumerate(tokens)])
    assert wrong(kv, list(range(1, 11)), 5, tokens) == sorted(changed)


def test_a_slot_never_written_is_wrong_even_at_position_0_with_token_0():
    assert wrong(pool(), [3], 0, [0]) == [0]


def test_the_right_token_at_another_position_is_wrong():
    kv = pool()
    write(kv, [1, 2], 7, [50, 50])
    assert wrong(kv, [2, 1], 7, [50, 50]) == [0, 1]


def test_the_writer_does_not_matter():
    kv = pool()
    write(kv, [1], 0, [50], serial=3)
    assert wrong(kv, [1], 0, [50]) == []
    assert int(kv.headers[1]) != int(header_of(ints([0]), ints([50]))[0])


def test_the_largest_header_is_a_positive_int64():
    assert 0 < int(header_of(2**21 - 2, 2**20 - 1, writer_base(2**22 - 1))) < 2**63


def test_garbage_is_no_token_of_any_text():
    kv = pool()
    write(kv, [1], 4, [GARBAGE])
    assert wrong(kv, [1], 4, [int(stream(9, 4, 5)[0])]) == [0]
    assert GARBAGE not in (*stream(9, 0, 10_000), EOS)


def test_place_step_moves_a_header_on_by_one_position():
    assert int(header_of(7, 50)) + int(PLACE_STEP) == int(header_of(8, 50))


def test_describe_tells_what_a_slot_holds():
    kv = pool()
    write(kv, [4], 17, [99], serial=5)
    assert kv.describe(4) == "[token 99, position 17]"
    assert kv.describe(5) == "[never written]"


def test_a_slot_is_as_wide_as_the_models_kv():
    kv = pool(slots=3, model="qwen2.5-0.5b")
    assert kv.tensor.shape == (3, 12_288 // 8)
    assert kv.nbytes == 3 * 12_288
