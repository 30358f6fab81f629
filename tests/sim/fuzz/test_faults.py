"""The same fault under other names and numbers is the same; another one is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engines.protocol import Request
from sim.fuzz.faults import Fault, Telling
from sim.ledger.verdicts import Cause, Verdict
from sim.operations import Open, Submit
from sim.world import Segment


def submit(rid, session=None):
    return 0.0, Submit(what=Request(rid=rid, prompt=(Segment(name=rid, length=3),), max_new=2, session=session))


ACTIONS = [(0.0, Open(session="a")), submit("a/1", "a"), submit("a/12", "a"), submit("r1")]
TELL = Telling(ACTIONS)


def verdict(what, kind="leak", pool="full", event=7, size=-1):
    return Verdict(kind, pool, size, event, 3, 0.5, None, None, Cause(what, event, 3, 0.5, "step"), "…")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("row 3 was overwritten from 32 on; nothing names 1 slot of session a any more",
         "row … was overwritten from … on; nothing names … of session … any more"),
        ("turn a/12 is made from a history of 47 tokens", "turn … is made from a history of …"),
        ("1 state belongs to nobody", "… belong to nobody"),
        ("12 SWA slots belong to nobody", "… belong to nobody"),
        ("state 2 of request a/1, which goes on from position 20, is zero",
         "state … of request …, which goes on from position …, is zero"),
        ("slot 48 holds [token 7, position 32]; 1 position differs", "slot … holds …; … differ"),
        ("slot {'number': 4} is free", "slot … is free"),
        ("session a owns 32 private tokens, the books count 80: 48 in uncached (a/12)",
         "session … owns …, the books count …: … in uncached (…)"),
        ("over\n  several   lines", "over several lines"),
        ("a table of 8 by 0.25 and −3", "a table of … by … and …"),
        ("[1, 2, 3] are free", "… are free"),
        ("the node of slots 4–7, 9, 12–13, owns 2 tokens", "the node of slots …, owns …"),
    ],
)  # fmt: skip
def test_names_and_numbers_go_words_stay(text, told):
    assert TELL.cause(text) == told


@given(st.integers(0, 10**6), st.sampled_from(["a/1", "a/12", "r1"]), st.integers(1, 10**4))
def test_names_and_numbers_do_not_matter(row, rid, count):
    unit = "slot" if count == 1 else "slots"
    text = f"row {row} of {rid}: nothing names {count} {unit} of session a any more"
    assert TELL.cause(text) == "row … of …: nothing names … of session … any more"


def test_faults_come_in_the_order_of_their_verdicts_each_once():
    one, two = verdict("nothing names 1 slot of session a"), verdict("2 rows belong to nobody", pool="rows", event=9)
    again = verdict("nothing names 5 slots of session a", event=12)
    shown = TELL.faults([one, two, again])
    assert [each.verdict for each in shown] == [one, two]
    assert shown[0].fault == Fault("leak", "full", "nothing names … of session …")


def test_what_one_event_does_to_several_pools_is_one_fault():
    full, swa = verdict("16 slots belong to nobody"), verdict("8 SWA slots belong to nobody", pool="swa")
    assert [each.verdict for each in TELL.faults([full, swa])] == [full]
    later = verdict("8 SWA slots belong to nobody", pool="swa", event=8)
    assert [each.verdict for each in TELL.faults([full, later])] == [full, later]


def test_another_verdict_or_pool_is_another_fault():
    kinds = {TELL.fault(verdict("x", kind=kind, pool=pool)) for kind in ("leak", "alias") for pool in ("full", "swa")}
    assert len(kinds) == 4


def test_of_those_counted_wrongly_the_first_is_enough():
    terms = "48 in uncached (a/1) and 32 in uncached (a/12) and 16 in uncached (a/12)"
    text = f"session a owns 32 tokens, the books count 96: {terms}; request r1 x"
    fault = TELL.fault(verdict(text, kind="false-alarm"))
    assert fault.cause == "session … owns …, the books count …: … in uncached (…) and … in uncached (…)"


def test_a_crash_without_words_is_told_by_its_place():
    crash = verdict("AssertionError: ", kind="crash")
    assert TELL.fault(crash, ("batch.py:3 alloc", "tree.py:55 lock")).cause == "AssertionError in lock"
    assert TELL.fault(crash).cause == "AssertionError"
    said = verdict("AssertionError: no room for 3", kind="crash")
    assert TELL.fault(said, ("tree.py:55 lock",)).cause == "AssertionError: no room for …"
