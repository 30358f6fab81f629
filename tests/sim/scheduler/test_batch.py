"""Batches: dropping what ended, merging, and the arrays over their requests."""

import pytest
from helpers.kvtest import new_req, new_table, plain
from hypothesis import given
from hypothesis import strategies as st

from sim.scheduler.batch import Batch
from sim.scheduler.request import NEVER, Finish


def batch_of(*names, table=None):
    table = new_table() if table is None else table
    return Batch([new_req(name, table=table) for name in names])


def end(req):
    req.finish_later(Finish("abort"))
    req.check_finished()


def rids(batch):
    return [req.rid for req in batch.reqs]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8))
def test_dropping_keeps_the_unfinished_that_are_not_excluded_in_order(kinds):
    batch = batch_of(*(f"r{i}" for i in range(len(kinds))))
    excluded = [req for req, (_, out) in zip(batch.reqs, kinds, strict=True) if out]
    for req, (finished, _) in zip(batch.reqs, kinds, strict=True):
        if finished:
            end(req)
    batch.drop(1, excluded)
    assert rids(batch) == [f"r{i}" for i, (finished, out) in enumerate(kinds) if not finished and not out]


def test_a_batch_is_looked_at_once_for_each_ending():
    batch = batch_of("a", "b")
    batch.drop(3)
    end(batch.reqs[0])
    batch.drop(3)
    assert rids(batch) == ["a", "b"]
    batch.drop(4)
    assert rids(batch) == ["b"]


def test_new_members_are_looked_at_in_any_case():
    batch = batch_of("a")
    batch.drop(3)
    other = batch_of("b")
    end(other.reqs[0])
    batch.merge(other)
    batch.drop(3)
    assert rids(batch) == ["a"]


def test_merging_appends():
    batch, other = batch_of("a", "b"), batch_of("c")
    batch.merge(other)
    assert (rids(batch), rids(other)) == (["a", "b", "c"], ["c"])


@pytest.mark.parametrize(
    ("first", "second", "both"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_a_merged_batch_only_prefills_if_both_did(first, second, both):
    batch, other = batch_of("a"), batch_of("b")
    batch.prefill_only, other.prefill_only = first, second
    batch.merge(other)
    assert batch.prefill_only is both


@pytest.mark.parametrize(("mode", "is_extend"), [("extend", True), ("mixed", True), ("decode", False)])
def test_a_mixed_pass_counts_as_a_prefill(mode, is_extend):
    batch = Batch([])
    batch.mode = mode
    assert batch.is_extend is is_extend


def test_lanes_are_made_anew_when_the_members_change():
    table = new_table()
    batch = batch_of("a", "b", table=table)
    for row, req in enumerate(batch.reqs):
        req.row = row + 1
    lanes = batch.lanes(table, 100)
    assert lanes.rows.tolist() == [1, 2]
    assert lanes.row_start.tolist() == [100, 200]
    assert batch.lanes(table, 100) is lanes
    batch.keep(batch.reqs[1:])
    assert batch.lanes(table, 100).rows.tolist() == [2]


def test_lanes_know_the_position_of_an_eos_if_any_request_has_one():
    table = new_table()
    assert Batch([new_req(table=table)]).lanes(table, 10).stops is None
    stopping = Batch([new_req(table=table), new_req(table=table, prompt=20, stop_at=5)])
    assert stopping.lanes(table, 10).stops[1] == 24


shape = st.tuples(st.booleans(), st.booleans(), st.booleans())


@given(st.lists(shape, max_size=6), st.lists(shape, max_size=6), st.booleans(), st.booleans())
def test_lanes_carried_through_merge_and_drop_equal_lanes_made_anew(first, second, warm, cold):
    table, batches = new_table(), []
    for shapes, ready in ((first, warm), (second, cold)):
        batch = Batch([new_req(table=table, stop_at=5 if stops else None) for stops, _, _ in shapes])
        for row, req in enumerate(batch.reqs):
            req.row = row + 10 * len(batches)
        if ready:
            batch.lanes(table, 100)
        batches.append(batch)
    merged, other = batches
    merged.merge(other)
    for req, (_, finished, _) in zip(merged.reqs, [*first, *second], strict=True):
        if finished:
            end(req)
    merged.drop(1)
    left = [req for req in merged.reqs if req.finish is None]
    carried, anew = merged.lanes(table, 100), Batch(left).lanes(table, 100)
    assert merged.reqs == left
    for field in ("index", "rows", "row_start", "tags", "keys", "writers"):
        assert getattr(carried, field).tolist() == getattr(anew, field).tolist()
    stops = [[min(at, NEVER) for at in plain(lanes.stops_or_never())] for lanes in (carried, anew)]
    assert stops[0] == stops[1]
