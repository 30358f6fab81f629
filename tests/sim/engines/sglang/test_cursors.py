"""Cursors, shared rows and locks, on requests and trees made by hand."""

from types import SimpleNamespace

import pytest

from sim.engines.sglang.cursors import Cursors, batched


def request(rid="r", row=0, p=0, c=10, a=10, e=0, **more):
    return SimpleNamespace(
        rid=rid, session=None, req_pool_idx=row, cache_protected_len=p, kv_committed_len=c, kv_allocated_len=a,
        kv_committed_freed=False, swa_evicted_seqlen=e, finished=lambda: False, last_node=None, **more,
    )  # fmt: skip


def batch(*reqs, extend=True):
    return SimpleNamespace(reqs=list(reqs), forward_mode=SimpleNamespace(is_extend=lambda: extend))


class Rig:
    def __init__(self, running=(), last=None, slots=None, nodes=()):
        self.scheduler = SimpleNamespace(
            running_batch=batch(*running), last_batch=last, forward_ct=1, waiting_queue=[],
            tree_cache=SimpleNamespace(inner=SimpleNamespace(disable=False)),
        )  # fmt: skip
        memory = SimpleNamespace(
            page=4, width=64, slots=lambda: slots or {}, nodes=lambda: list(nodes), requests=lambda: list(running)
        )
        self.cursors = Cursors(SimpleNamespace(scheduler=self.scheduler), memory)

    def found(self):
        return [(b.invariant, b.key, b.request, b.size) for b in self.cursors.requests()]


@pytest.mark.parametrize(
    ("wrong", "size"), [({"p": 12}, -2), ({"c": 12}, -2), ({"c": 70, "a": 70}, -6), ({"p": 2}, 0)]
)
def test_a_request_whose_cursors_are_out_of_order(wrong, size):
    assert Rig([request(**wrong)]).found() == [("INV-4", "request r", "r", size)]


@pytest.mark.parametrize("req", [request(p=8), request(p=12, row=None), request(p=0, c=64, a=64)])
def test_a_request_in_order_or_without_a_row(req):
    assert Rig([req]).found() == []


def test_a_request_that_has_handed_its_kv_on_is_not_looked_at():
    req = request(p=12)
    req.kv_committed_freed = True
    assert Rig([req]).found() == []


def test_two_live_requests_in_one_row_are_found_once_after_each_prefill():
    one, two = request("one"), request("two")
    rig = Rig([one], batch(two))
    assert rig.found() == [("INV-5", "row 0: two one", "one", 1)]
    assert rig.found() == []
    rig.scheduler.forward_ct = 2
    assert len(rig.found()) == 1
    rig.scheduler.last_batch = batch(two, extend=False)
    rig.scheduler.forward_ct = 3
    assert rig.found() == []


def test_one_that_has_ended_shares_no_row():
    ended = request("two")
    ended.finished = lambda: True
    assert Rig([request("one")], batch(ended)).found() == []


def test_slots_whose_cursors_are_out_of_order():
    slots = {"a": request(p=12), "b": request(), "c": request(p=12, row=None)}
    found = list(Rig(slots=slots).cursors.slots(["a", "b", "c", "gone"]))
    assert [(b.invariant, b.key, b.session, b.size) for b in found] == [("INV-4", "session a", "a", -2)]


def node(parent, locks):
    return SimpleNamespace(parent=parent, lock_ref=locks, value=[0] * 4)


@pytest.mark.parametrize(("locks", "count"), [((2, 1), 0), ((1, 1), 1), ((0, 0), 2), ((2, 2), 1)])
def test_locks_form_paths_to_the_root(locks, count):
    root = SimpleNamespace(parent=None)
    upper = node(root, locks[0])
    lower = node(upper, locks[1])
    one, two = request("one"), request("two", row=1)
    one.last_node, two.last_node = upper, lower
    found = list(Rig([one, two], nodes=[(upper, 0), (lower, 4)]).cursors.locks())
    assert [b.invariant for b in found] == ["INV-7"] * count


def test_a_request_that_waits_holds_nothing():
    req = request()
    req.last_node = node(SimpleNamespace(parent=None), 0)
    rig = Rig([req], nodes=[(req.last_node, 0)])
    rig.scheduler.waiting_queue.append(req)
    assert list(rig.cursors.locks()) == []


def test_a_virtual_node_holds_nothing():
    req = request()
    req.last_node = SimpleNamespace()
    upper = node(SimpleNamespace(parent=None), 0)
    assert list(Rig([req], nodes=[(upper, 0)]).cursors.locks()) == []


def test_each_request_is_looked_at_once():
    one, two = request("one"), request("two")
    last = batch(one)
    scheduler = SimpleNamespace(running_batch=batch(one, two), last_batch=last)
    assert [r.rid for r in batched(scheduler)] == ["one", "two"]
    scheduler.last_batch = scheduler.running_batch
    assert [r.rid for r in batched(scheduler)] == ["one", "two"]
