"""The canary of a release's states, on a pool made by hand: what stands where, and what does not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sim.engines.sglang.states import StateCanary


def text(req, start, stop):
    return np.arange(req.seed + start, req.seed + stop, dtype=np.int64)


def request(rid, slot, *, seed=100, committed=0, buffer=None, following=0):
    return SimpleNamespace(
        rid=rid, session=None, seed=seed, mamba_pool_idx=torch.tensor(slot), kv_committed_len=committed,
        mamba_ping_pong_track_buffer=buffer, mamba_next_track_idx=following, mamba_last_track_seqlen=None,
    )  # fmt: skip


def batch(reqs, prefixes=(), counts=(), *, decode=False, track=None):
    return SimpleNamespace(
        reqs=reqs, prefix_lens=prefixes, extend_lens=counts, decoding_reqs=None,
        forward_mode=SimpleNamespace(is_decode=lambda: decode),
        mamba_track_mask=None if track is None else torch.tensor([slot > 0 for slot in track]),
        mamba_track_indices=None if track is None else torch.tensor(track),
    )  # fmt: skip


class Pool:
    """Eight slots, and a tree made by hand."""

    def __init__(self):
        self.temporal = torch.zeros((1, 9, 3, 1, 1), dtype=torch.int64)
        self.tree, self.found = [], []
        cache = SimpleNamespace(temporal=self.temporal)
        rows = SimpleNamespace(mamba_pool=SimpleNamespace(mamba_cache=cache))
        engine = SimpleNamespace(
            text=text, scheduler=SimpleNamespace(req_to_token_pool=rows),
            config=SimpleNamespace(pool=SimpleNamespace(mamba=SimpleNamespace(track_interval=8))),
        )  # fmt: skip
        self.canary = StateCanary(engine, SimpleNamespace(nodes=lambda: self.tree), self.found.append)

    def copy(self, source, target):
        self.temporal[:, target] = self.temporal[:, source]

    @property
    def wrong(self):
        return [(m.rid, m.pool, m.slots) for m in self.found]


@pytest.fixture
def pool():
    return Pool()


def test_a_request_goes_on_from_where_its_state_stands(pool):
    req = request("r", 1)
    pool.canary.launched(batch([req], [0], [6]))
    for committed in (7, 8):
        req.kv_committed_len = committed
        pool.canary.launched(batch([req], decode=True))
    pool.canary.launched(batch([req], [8], [3]))
    assert pool.wrong == []


def test_a_slot_that_two_requests_were_handed_is_seen_by_both(pool):
    one, two = request("r", 1), request("s", 1, seed=900)
    pool.canary.launched(batch([one], [0], [6]))
    pool.canary.launched(batch([two], [0], [6]))
    one.kv_committed_len = 7
    pool.canary.launched(batch([one], decode=True))
    assert pool.wrong == [("s", "mamba", (1,)), ("r", "mamba", (1,))]


def test_a_state_that_was_zeroed_under_its_request_is_seen(pool):
    req = request("r", 1)
    pool.canary.launched(batch([req], [0], [6]))
    pool.temporal[:, 1] = 0
    pool.canary.launched(batch([req], [6], [2]))
    assert "is zero" in pool.found[0].what


def test_a_turn_that_resumes_below_its_state_is_seen(pool):
    req = request("r", 1)
    pool.canary.launched(batch([req], [0], [6]))
    pool.canary.launched(batch([req], [5], [2]))
    assert "goes on from position 5, stands at position 6" in pool.found[0].what


def test_a_copy_serves_whoever_begins_with_the_same_text(pool):
    one, two, other = request("r", 1), request("s", 2), request("o", 3, seed=900)
    pool.canary.launched(batch([one], [0], [6]))
    pool.copy(1, 2)
    pool.copy(1, 3)
    pool.canary.launched(batch([two], [6], [2]))
    assert pool.wrong == []
    pool.canary.launched(batch([other], [6], [2]))
    assert pool.wrong == [("o", "mamba", (3,))]


def test_what_the_tree_keeps_is_read_back(pool):
    req = request("r", 1)
    req.mamba_last_track_seqlen = 4
    pool.canary.launched(batch([req], [0], [6], track=[5]))
    key = SimpleNamespace(token_ids=[100, 101, 102, 103])
    node = SimpleNamespace(parent=None, key=key, value=torch.arange(4), mamba_value=torch.tensor([5]))
    pool.tree = [(node, 0)]
    pool.canary.read_back()
    assert pool.wrong == []
    pool.copy(1, 5)
    pool.canary.read_back()
    assert pool.wrong == [("the tree", "mamba", (5,))]


@pytest.mark.parametrize(("start", "accepted", "kept"), [(6, 1, 0), (6, 2, 8), (7, 4, 8), (8, 4, 0)])
def test_a_round_that_crosses_the_grid_leaves_a_snapshot_there(pool, start, accepted, kept):
    req = request("r", 1, buffer=torch.tensor([6, 7]), following=1)
    pool.canary.launched(batch([req], [0], [start]))
    pool.canary.round([req], [start], [accepted])
    assert int(pool.temporal[0, 7, 0]) == (kept + 1 if kept else 0)
    assert int(pool.temporal[0, 1, 0]) == start + accepted + 1
    assert pool.wrong == []
