"""What the forward pass would have written, and what is found when it is read back, on rows made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from sim.config import PoolConfig, SwaConfig
from sim.engines.sglang.arrivals import NEVER, Known
from sim.engines.sglang.canary import Canary
from sim.world import EOS, stream

KEY = 12345


class Memory:
    """One row of 16 positions that names slots 1 … 16."""

    units, page = 20, 1

    def __init__(self):
        self.table = np.arange(1, 17, dtype=np.int64)[None, :].copy()
        self.tree_nodes, self.held = [], {}

    def row(self, row, start, stop):
        return self.table[row, start:stop]

    def at(self, rows, positions):
        return self.table[rows, positions]

    def nodes(self):
        return self.tree_nodes

    def slots(self):
        return self.held


def text(req, start, stop):
    prompt = np.array(req.origin_input_ids, dtype=np.int64)
    tokens = np.concatenate((prompt, stream(req.known.key, len(prompt), 64)))
    end = len(prompt) + req.known.stop_at - 1
    if end < 64:
        tokens[end] = EOS
    return tokens[start:stop]


def request(prompt=4, *, rid="r", committed=0, outputs=0, stop_at=NEVER):
    return SimpleNamespace(
        rid=rid, session=None, origin_input_ids=list(range(100, 100 + prompt)), output_ids=[0] * outputs,
        req_pool_idx=0, kv_committed_len=committed, cache_protected_len=0, known=Known(None, KEY, stop_at),
        finished=lambda: True,
    )  # fmt: skip


def engine(**pools):
    return SimpleNamespace(text=text, config=SimpleNamespace(pool=PoolConfig(tokens=20, **pools)))


def batch(reqs, prefix=0, *, decode=False, decoding=None):
    lens = [len(r.origin_input_ids) - prefix for r in reqs]
    mode = SimpleNamespace(is_decode=lambda: decode)
    return SimpleNamespace(
        reqs=reqs, prefix_lens=[prefix] * len(reqs), extend_lens=lens, forward_mode=mode, decoding_reqs=decoding
    )


class Rig:
    def __init__(self):
        self.memory, self.handled = Memory(), []
        self.canary = Canary(engine(), self.memory, self.handled.append)

    def prefill(self, req, prefix=0):
        self.canary.launched(batch([req], prefix))
        req.kv_committed_len = len(req.origin_input_ids)

    def decode(self, req):
        req.kv_committed_len += 1
        self.canary.launched(batch([req], decode=True))
        req.output_ids.append(0)

    @property
    def found(self):
        return [(m.rid, m.size, m.slots) for m in self.canary.misreads]


@pytest.fixture
def rig():
    return Rig()


def played(rig, steps=4, **more):
    req = request(**more)
    rig.prefill(req)
    for _ in range(steps):
        rig.decode(req)
    return req


@pytest.mark.parametrize("stop_at", [NEVER, 2, 4])
def test_what_was_written_is_read_back(rig, stop_at):
    req = played(rig, stop_at=stop_at)
    rig.canary.ended(req)
    assert rig.found == []
    assert rig.handled == [req]
    assert rig.canary.launches == 5


def test_a_slot_that_somebody_else_wrote(rig):
    req = played(rig)
    rig.memory.table[0, 0] = 6
    rig.prefill(request(prompt=1, rid="other"))
    rig.memory.table[0, 0] = 1
    rig.canary.ended(req)
    assert rig.found == [("r", 1, (6,))]


def test_a_slot_that_was_never_written(rig):
    req = played(rig, steps=0)
    req.kv_committed_len, req.output_ids = 5, [0]
    rig.canary.ended(req)
    assert rig.found == [("r", 1, (5,))]


def test_the_prefix_that_a_prefill_reuses_is_read(rig):
    rig.prefill(request())
    rig.prefill(request(), prefix=3)
    assert rig.found == []
    other = request(rid="other")
    other.origin_input_ids[1] = 7
    rig.prefill(other, prefix=3)
    assert rig.found == [("other", 1, (2,))]


def test_of_a_speculative_round_only_what_was_accepted_is_text(rig):
    req = request()
    rig.prefill(req)
    rig.canary.round([req], [4], [2], 4)
    req.kv_committed_len, req.output_ids = 6, [0, 0]
    rig.canary.ended(req)
    assert rig.found == []
    req.kv_committed_len, req.output_ids = 7, [0, 0, 0]
    rig.canary.ended(req)
    assert rig.found == [("r", 1, (7,))]


def test_a_prefill_that_is_mixed_with_a_decode_step(rig):
    req, other = played(rig, steps=1), request(rid="other")
    other.req_pool_idx = 0
    req.kv_committed_len += 1
    rig.canary.launched(batch([req], prefix=0, decoding=[req]))
    req.output_ids.append(0)
    rig.canary.ended(req)
    assert rig.found == []


@pytest.mark.parametrize("pairs", [False, True])
def test_the_tree_is_read_from_its_root_on(rig, pairs):
    import torch

    req = played(rig, steps=0)
    ids = req.origin_input_ids
    tokens = list(zip(ids, [*ids[1:], 9], strict=True)) if pairs else ids
    upper = SimpleNamespace(key=SimpleNamespace(token_ids=tokens[:2]), value=torch.tensor([1, 2]))
    lower = SimpleNamespace(key=SimpleNamespace(token_ids=tokens[2:]), value=torch.tensor([3, 4]))
    rig.memory.tree_nodes = [(upper, 0), (lower, 2)]
    rig.canary.read_back({})
    assert rig.found == []
    lower.value = torch.tensor([3, 9])
    rig.canary.read_back({})
    assert rig.found == [("the tree", 1, (9,))]


def test_slots_are_read_by_the_text_of_their_last_turn(rig):
    req = played(rig, steps=2)
    slot = SimpleNamespace(req_pool_idx=0, cache_protected_len=1, kv_committed_len=6, kv_allocated_len=6)
    rig.memory.held = {"a": slot}
    sessions = {"a": SimpleNamespace(req_nodes={"r": SimpleNamespace(req=req)})}
    rig.canary.read_back(sessions)
    assert rig.found == []
    rig.memory.table[0, 5] = 1
    rig.canary.read_back(sessions)
    assert [(m.rid, m.session, m.size) for m in rig.canary.misreads] == [("r", "a", 1)]


# -- windowed halves ----------------------------------------------------------------------------------------


class Halves(Memory):
    """The windowed half of slot s is s, but where it has been given back."""

    def __init__(self):
        super().__init__()
        self.mapping = np.arange(22, dtype=np.int64)

    def mapped(self, slots):
        return self.mapping[slots]

    def passed(self, row):
        return 0


def windowed(window):
    memory = Halves()
    return memory, Canary(engine(swa=SwaConfig(tokens=20, window=window)), memory, lambda req: None)


@pytest.mark.parametrize(("given_back", "wrong"), [((), None), ((1, 2), None), ((1, 2, 3), 1), ((1, 2, 3, 4), 2)])
def test_of_a_prefix_only_its_last_window_is_read_in_the_windowed_half(given_back, wrong):
    """Positions 2 and 3 of a prefix of 4 are what a window of 2 looks back to; they lie in slots 3 and 4."""
    memory, canary = windowed(2)
    canary.launched(batch([request(4)]))
    memory.mapping[list(given_back)] = 0
    canary.launched(batch([request(6)], prefix=4))
    found = [(m.pool, m.size) for m in canary.misreads]
    assert found == ([] if wrong is None else [("swa", wrong)])


def test_a_windowed_half_that_is_another_slots_is_seen():
    memory, canary = windowed(4)
    memory.mapping[4] = 3
    canary.launched(batch([request(4)]))
    canary.launched(batch([request(6)], prefix=4))
    (found,) = canary.misreads
    assert (found.pool, found.slots) == ("swa", (3,))
