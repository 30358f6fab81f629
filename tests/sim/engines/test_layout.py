"""Layouts: what the model says of its memory index by index, their fingerprints, and how differences are told."""

from dataclasses import replace

import numpy as np
from helpers.randomcase import draw_case
from helpers.randomrun import improvised
from helpers.rig import Rig

from sim.engines.layout import (
    PAIR_BITS,
    Layout,
    NodeLayout,
    RequestLayout,
    SlotLayout,
    differences,
    layout_crc,
    path_crc,
    snapshot_crc,
)
from sim.engines.marks import Walk

EMPTY = Layout(
    free={"full": ()}, free_rows=(), requests=(), slots=(), tree=(), ratio=0.7, batch_full=False, forwards=0
)


# -- what the model says ----------------------------------------------------------------------------------


def test_the_layout_of_an_engine_that_has_done_nothing():
    layout = Rig(tokens=6, rows=3).engine.layout()
    assert layout.free == {"full": (1, 2, 3, 4, 5, 6)}
    assert layout.free_rows == (1, 2, 3)
    assert (layout.requests, layout.slots, layout.tree) == ((), (), ())
    assert (layout.batch_full, layout.forwards) == (False, 0)


def test_free_lists_of_paged_pools_name_pages():
    assert Rig(tokens=64, page_size=16).engine.layout().free == {"full": (1, 2, 3, 4)}


def test_rows_of_010_begin_at_zero():
    assert Rig("sglang-0.5.10", rows=2).engine.layout().free_rows == (0, 1)


def test_a_request_that_waits_has_no_row_and_no_slots():
    rig = Rig()
    rig.send("r", 4, 9)
    assert rig.engine.layout().requests == (
        RequestLayout("r", None, 0, 0, 0, 0, 0, 4, 0, False, "", ()),
    )


def test_a_running_request_its_row_and_its_node():
    rig = Rig(tokens=12, overlap=False)
    rig.send("r", 4, 5)
    rig.step(2)
    layout = rig.engine.layout()
    assert layout.requests == (RequestLayout("r", 1, 5, 5, 4, 0, 2, 4, 0, False, "", (1, 2, 3, 4, 5)),)
    assert layout.free == {"full": (6, 7, 8, 9, 10, 11, 12)}
    tokens = rig.engine.scheduler.running.reqs[0].origin
    assert layout.tree == (NodeLayout(path_crc(0, tokens), 0, 4, 1, (1, 2, 3, 4)),)
    assert layout.forwards == 2


def test_a_request_in_two_batches_is_told_once():
    rig = Rig(overlap=True)
    rig.send("r", 4, 9)
    rig.step(3)
    assert [r.rid for r in rig.engine.layout().requests] == ["r"]


def test_a_retracted_request_says_so():
    rig = Rig(overlap=False)
    rig.send("r", 4, 9)
    rig.step(2)
    rig.retract()
    (request,) = rig.engine.layout().requests
    assert (request.retracted, request.row, request.out, request.slots) == (True, None, 2, ())


def test_what_a_session_holds_between_turns():
    rig = Rig(tokens=100)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    layout = rig.engine.layout()
    assert layout.slots == (SlotLayout("a", 1, 26, 26, 20, 0, tuple(range(1, 27))),)
    assert layout.tree[0][1:4] == (0, 20, 1)


def test_a_node_below_another_says_how_deep_it_is_and_hashes_the_whole_path():
    rig = Rig(overlap=False)
    rig.open("a")
    rig.run_turn("a/1", 8, 2)
    shared = rig.engine.scheduler.memory.tree.root
    (first,) = shared.children.values()
    whole = np.concatenate((first.key, [77, 78]))
    rig.engine.scheduler.memory.tree.insert(whole, rig.engine.scheduler.memory.backend.arange(50, 60), 0)
    nodes = {node.depth: node for node in rig.engine.layout().tree}
    assert nodes[8] == NodeLayout(path_crc(0, whole), 8, 2, 0, (58, 59))
    assert nodes[0].path == path_crc(0, first.key)


def test_a_path_is_hashed_the_same_in_pieces_and_whole():
    assert path_crc(path_crc(0, [1, 2]), [3]) == path_crc(0, np.array([1, 2, 3]))
    assert path_crc(0, [1 << PAIR_BITS | 2]) != path_crc(0, [1, 2])


# -- fingerprints -----------------------------------------------------------------------------------------


def test_every_field_changes_the_fingerprint():
    request = RequestLayout("r", 1, 5, 5, 4, 0, 1, 4, 0, False, "", (1, 2, 3))
    base = replace(
        EMPTY, free={"full": (4, 5)}, free_rows=(2,), requests=(request,),
        slots=(SlotLayout("a", 1, 2, 2, 0, 0, (6, 7)),), tree=(NodeLayout(1, 0, 1, 1, (8,)),),
    )  # fmt: skip
    changed = [
        replace(base, free={"full": (5, 4)}),
        replace(base, free={"swa": (4, 5)}),
        replace(base, free={"full": (4,)}, free_rows=(5, 2)),
        replace(base, free_rows=(3,)),
        *(replace(base, requests=(request._replace(**{f: v}),)) for f, v in {
            "rid": "q", "row": None, "c": 6, "a": 6, "p": 3, "e": 1, "out": 2, "prompt": 5, "chunks": 1,
            "retracted": True, "finish": "stop", "slots": (1, 2, 4)}.items()),
        replace(base, slots=()),
        replace(base, tree=(NodeLayout(1, 0, 1, 2, (8,)),)),
        replace(base, ratio=0.6),
        replace(base, batch_full=True),
        replace(base, forwards=1),
    ]  # fmt: skip
    crcs = [layout_crc(layout) for layout in (base, *changed)]
    assert len(set(crcs)) == len(crcs)


def test_the_fingerprint_of_both_hangs_on_both():
    rig = Rig()
    before, layout = rig.engine.snapshot(), rig.engine.layout()
    rig.open("a")
    after = rig.engine.snapshot()
    assert snapshot_crc(before) != snapshot_crc(after)
    assert layout_crc(layout, snapshot_crc(before)) != layout_crc(layout, snapshot_crc(after))
    assert layout_crc(layout, snapshot_crc(before)) != layout_crc(replace(layout, forwards=9), snapshot_crc(before))


def test_two_engines_with_the_same_run_have_the_same_layouts():
    for seed in range(8):
        run = improvised(draw_case(seed), 120)
        one, other = (run.case.engine() for _ in range(2))
        for engine in (one, other):
            walk = Walk(engine)
            for action in run.actions:
                if isinstance(action, float):
                    engine.advance(action)
                elif run.crash is None:
                    walk.do(-1.0, action)
        assert one.layout() == other.layout()
        assert differences(one.layout(), other.layout()) == []


# -- differences ------------------------------------------------------------------------------------------


def test_a_long_list_is_shown_where_it_parts():
    one = replace(EMPTY, free={"full": tuple(range(100))})
    other = replace(EMPTY, free={"full": (*range(40), 99, *range(41, 100))})
    assert differences(one, other) == [
        "free list of full (100), from index 40: … 37 38 39 [40] 41 42 43 … | … 37 38 39 [99] 41 42 43 …"
    ]


def test_a_list_that_ends_early_is_told_with_both_lengths():
    one, other = replace(EMPTY, free_rows=(1, 2)), replace(EMPTY, free_rows=(1, 2, 3))
    assert differences(one, other) == ["free rows (2 | 3), from index 2: 1 2 [end] | 1 2 [3]"]


def test_each_field_of_a_request_has_its_line():
    request = RequestLayout("a/1", 1, 5, 5, 4, 0, 1, 4, 0, False, "", (1, 2, 3))
    one = replace(EMPTY, requests=(request,))
    other = replace(EMPTY, requests=(request._replace(row=None, c=6, finish="stop", slots=(1, 2, 9)),))
    assert differences(one, other) == [
        "request a/1, row: 1 | –",
        "request a/1, c: 5 | 6",
        "request a/1, finish: – | stop",
        "request a/1, slots (3), from index 2: 1 2 [3] | 1 2 [9]",
    ]


def test_what_one_side_lacks_is_told_whole():
    slot = SlotLayout("a", 1, 2, 2, 0, 0, (6, 7))
    assert differences(replace(EMPTY, slots=(slot,)), EMPTY) == [
        "slot of session a: row 1, c 2, a 2, p 0, e 0, 2 slots | not there"
    ]
    node = NodeLayout(255, 4, 2, 1, (6, 7))
    assert differences(EMPTY, replace(EMPTY, tree=(node,))) == [
        "node 000000ff [4, 6): not there | depth 4, length 2, lock_ref 1, 2 slots"
    ]


def test_two_requests_of_one_id_are_told_apart():
    request = RequestLayout("r", None, 0, 0, 0, 0, 0, 4, 0, False, "", ())
    one = replace(EMPTY, requests=(request, request))
    other = replace(EMPTY, requests=(request, request._replace(out=3)))
    assert differences(one, other) == ["request r (2), out: 0 | 3"]


def test_plain_values_have_a_line_each():
    other = replace(EMPTY, ratio=0.5, batch_full=True, forwards=3)
    assert differences(EMPTY, other) == ["ratio: 0.7 | 0.5", "batch_full: False | True", "forwards: 0 | 3"]
