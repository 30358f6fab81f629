"""Batch lines: what they state, and that lines in a known form are read the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reports.logs.batches import Shapes, batch_of

OLD = "Decode batch, #running-req: 3, #full token: 17, #swa token: 9, mamba num: 4, #queue-req: 2"
NEW = "Prefill batch [7], #new-seq: 2, #new-token: x, token usage: 0.03, #pending-token: 0"


def test_a_batch_line_of_either_release():
    assert batch_of(OLD) == (True, 0, {"full": 17, "swa": 9, "mamba": 4}, None, 3, 2)
    assert batch_of(NEW) == (False, 2, {}, 0.03, 0, 0)
    assert batch_of("a batch of another kind") is None


@pytest.mark.parametrize("line", [OLD, NEW, OLD.replace(": 17", ": -17.5"), NEW.replace("[7]", "[8]"), NEW + "\r"])
def test_a_form_that_is_known_is_read_at_once_and_the_same(line):
    shapes = Shapes()
    assert shapes.of(b"[x] " + line.encode(), 4) is None
    shapes.learn(line.rstrip())
    assert shapes.of(b"[x] " + line.encode(), 4) == batch_of(line)


@pytest.mark.parametrize(
    "line",
    [
        OLD + ", more: 1",
        OLD[:-3],
        OLD.replace("17", "many"),
        OLD.replace("17", "1[2026-01-01 00:00:00] Decode batch, #running-req: 1"),
        OLD + "\x1b[0m",
        "Prefill" + OLD[6:],
    ],
)
def test_another_form_is_left_to_be_read_part_by_part(line):
    shapes = Shapes()
    shapes.learn(OLD)
    assert shapes.of(line.encode(), 0) is None


PARTS = st.sampled_from(
    ("#new-seq: 1", "#token: 7", "#token: x", "token usage: 0.5", "full token usage: 1", "odd (a+b): [1]",
     "#queue-req: 3", "no value", "#running-req: 10", "name: a: b", "", "mamba num: -1")
)  # fmt: skip
LINES = st.builds(
    lambda kind, parts: ", ".join((f"{kind} batch", *parts)),
    st.sampled_from(("Prefill", "Decode")), st.lists(PARTS, max_size=5),
)  # fmt: skip


@given(LINES, LINES)
@example("Decode batch, #token: 1, #token: 2", "Decode batch, #token: 3, #token: 4")
def test_whatever_is_learnt_nothing_is_read_otherwise(first, second):
    shapes = Shapes()
    shapes.learn(first)
    for line in (first, second):
        assert shapes.of(line.encode(), 0) in (None, batch_of(line))


def test_forms_without_end_are_not_kept():
    shapes = Shapes()
    for number in range(100):
        shapes.learn(f"Decode batch, figure {number}: 1")
    shapes.learn("Decode batch, " + "x" * 2000 + ": 1")
    assert sum(shapes.of(f"Decode batch, figure {n}: 2".encode(), 0) is not None for n in range(100)) == 16
