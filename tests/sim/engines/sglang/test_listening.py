"""What is heard of a scheduler: whom an event handled, what sessions have said, which sessions went away."""

from types import SimpleNamespace

import numpy as np
import pytest

from sim.engines.sglang.listening import Listening
from sim.engines.sglang.owners import Owners

FINISH_LENGTH = type("FINISH_LENGTH", (), {})
FINISH_ABORT = type("FINISH_ABORT", (), {})


class Rig:
    """A controller and a cache that only keep books of who calls them."""

    def __init__(self):
        self.sessions, self.cache = {}, SimpleNamespace(slots={}, cache_finished_req=self._finish)
        scheduler = SimpleNamespace(
            session_controller=SimpleNamespace(sessions=self.sessions), tree_cache=self.cache
        )
        self.owners = Owners(scheduler)
        engine = SimpleNamespace(scheduler=scheduler, text=self._text)
        self.listening = Listening(engine, self.owners)
        self.noted, self.finished = [], []
        self.listening.note = self.noted.append

    @staticmethod
    def _text(req, start, stop):
        return np.array([*req.origin_input_ids, *req.output_ids], dtype=np.int64)[start:stop]

    def _finish(self, req, is_insert=True):
        self.finished.append((req.rid, is_insert))
        if req.session is not None and req.leaves_slot:
            self.cache.slots[req.session.session_id] = SimpleNamespace()

    def open(self, name):
        session = SimpleNamespace(session_id=name, history=[], refuses=False)
        session.create_req = lambda received: self._create(session, received)
        self.sessions[name] = session
        self.listening.opened()
        return session

    def _create(self, session, received):
        refused = session.refuses
        text = [0] if refused else session.history + received.input_ids
        return SimpleNamespace(
            rid=received.rid, session=session, origin_input_ids=text, output_ids=[],
            to_finish="no" if refused else None,
            finished_reason=None, finished_len=None, leaves_slot=True,
        )  # fmt: skip

    def turn(self, session, rid, prompt, output, reason=FINISH_LENGTH, **more):
        req = session.create_req(SimpleNamespace(rid=rid, input_ids=list(prompt)))
        req.output_ids, req.finished_reason = list(output), None if reason is None else reason()
        vars(req).update(more)
        self.cache.cache_finished_req(req, is_insert=True)
        return req

    @property
    def surplus(self):
        return [(m.rid, m.session, m.size, m.invariant) for m in self.noted]


@pytest.fixture
def rig():
    return Rig()


def test_a_turn_made_from_what_was_said_is_in_order(rig):
    session = rig.open("a")
    rig.turn(session, "a/1", [5, 6], [7])
    session.history = [5, 6, 7]
    rig.turn(session, "a/2", [8], [9])
    assert rig.surplus == []
    assert rig.finished == [("a/1", True), ("a/2", True)]


def test_tokens_beyond_where_a_turn_finished_were_not_said(rig):
    session = rig.open("a")
    rig.turn(session, "a/1", [5], [7, 8, 9], finished_len=1)
    session.history = [5, 7, 8, 9]
    rig.turn(session, "a/2", [8], [9])
    assert rig.surplus == [("a/2", "a", 2, "INV-11")]


@pytest.mark.parametrize("reason", [FINISH_ABORT, None])
def test_what_was_aborted_or_retracted_was_not_said(rig, reason):
    session = rig.open("a")
    rig.turn(session, "a/1", [5, 6], [7], reason)
    session.history = [5, 6, 7]
    rig.turn(session, "a/2", [8], [9])
    assert rig.surplus == [("a/2", "a", 3, "INV-11")]


def test_a_history_of_the_right_length_and_another_text_is_noted_too(rig):
    session = rig.open("a")
    rig.turn(session, "a/1", [5, 6], [7])
    session.history = [5, 6, 8]
    rig.turn(session, "a/2", [8], [9])
    assert rig.surplus == [("a/2", "a", 1, "INV-11")]


def test_a_turn_that_is_refused_is_made_from_nothing(rig):
    session = rig.open("a")
    rig.turn(session, "a/1", [5, 6], [7])
    session.refuses = True
    rig.turn(session, "a/2", [8], [9], FINISH_ABORT)
    assert rig.surplus == []


def test_whom_an_event_handled_is_told_in_order_with_the_owner(rig):
    session = rig.open("a")
    turn = rig.turn(session, "a/1", [5], [6])
    plain = SimpleNamespace(rid="r", session=None, origin_input_ids=[1], output_ids=[], finished_reason=None)
    rig.cache.cache_finished_req(plain)
    tag = rig.owners.session(session)
    assert rig.listening.about == [(tag, ("a/1", "a")), (rig.owners.request(plain), ("r", None))]
    assert rig.owners.request(turn) == tag


def test_a_slot_is_owned_by_the_session_whose_turn_left_it_there(rig):
    first = rig.open("a")
    turn = first.create_req(SimpleNamespace(rid="a/1", input_ids=[5]))
    second = rig.open("a")
    rig.cache.cache_finished_req(turn)
    slot = rig.cache.slots["a"]
    assert rig.owners.slot("a", slot) == rig.owners.session(first) != rig.owners.session(second)


def test_sessions_that_went_away_are_named_once_and_what_they_said_is_forgotten(rig):
    session = rig.open("a")
    rig.open("b")
    rig.turn(session, "a/1", [5, 6], [7])
    del rig.sessions["a"]
    assert rig.listening.closed() == {rig.owners.session(session): "a"}
    assert rig.listening.closed() == {}
    again = rig.open("a")
    rig.turn(again, "a/1", [5], [6])
    assert rig.surplus == []
