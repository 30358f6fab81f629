"""The auditor of an engine elsewhere: observations made by hand."""

import pytest

from sim.config import PoolConfig, RunConfig
from sim.engines.protocol import EngineCrash
from sim.ledger.observed import ObservedAuditor

SOUND = {"lost": 0, "extra": 0, "lost_units": [], "shared_units": []}


class Engine:
    """Shows what it is told to."""

    def __init__(self):
        self.seen, self.alarm, self.looked = {}, None, 0
        self.last = {}

    def observe(self):
        self.looked += 1
        self.seen = self.last


def seen(delta=0, *, lost=0, extra=0, **more):
    full = {"lost": lost, "extra": extra, "lost_units": list(range(lost)), "shared_units": list(range(extra))}
    return {"terms": {"full": [60 + delta, 10, 10, 10, 10, 100]}, "counts": {"full": full, "rows": SOUND}, **more}


def orphan(count, **more):
    return {"kind": "orphan", "pool": "full", "count": count, "units": [4], "request": "a/1", "session": "a",
            "what": "4 slots of session a are named by nothing any more", **more}  # fmt: skip


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def auditor(engine):
    return ObservedAuditor(engine, RunConfig(pool=PoolConfig(tokens=100)))


def event(auditor, engine, observation, kind="step", number=1):
    auditor.begin(number, 0.5, kind)
    engine.seen = observation
    return [(v.verdict, v.pool, v.size, v.request, v.session) for v in auditor.end()]


def test_a_sound_memory_is_clean(auditor, engine):
    assert event(auditor, engine, seen()) == []
    assert (auditor.checks, auditor.loss()) == (1, (0, 0))
    assert auditor.books()["full"] == (60, 10, 10, 10, 10, 100)


def test_what_a_posting_lost_names_its_owner_and_the_event(auditor, engine):
    assert event(auditor, engine, seen(-1, lost=1, faults=[orphan(1)]), number=8) == [("leak", "full", -1, "a/1", "a")]
    (verdict,) = auditor.verdicts
    assert (verdict.cause.event, verdict.cause.op, verdict.cause.slots, verdict.iteration) == (8, "step", [4], 1)
    assert auditor.loss() == (1, 0)


def test_the_same_state_an_event_later_is_no_news(auditor, engine):
    event(auditor, engine, seen(-1, lost=1, faults=[orphan(1)]))
    assert event(auditor, engine, seen(-1, lost=1)) == []


def test_what_only_the_counts_show_is_about_whom_the_event_was_about(auditor, engine):
    assert event(auditor, engine, seen(2, extra=2, about=["a/3", "a"])) == [("alias", "full", 2, "a/3", "a")]


def test_books_that_are_off_alone_name_who_is_counted_wrongly(auditor, engine):
    wrong = {"session": "a", "request": "a/2", "counted": 12, "true": 6, "text": "twice"}
    assert event(auditor, engine, seen(6, miscounts=[wrong])) == [("false-alarm", "full", 6, "a/2", "a")]
    assert event(auditor, engine, seen()) == []


def test_misreads_and_breaches(auditor, engine):
    text = {"rid": "r", "session": None, "what": "wrong", "size": 3, "slots": [7], "invariant": "INV-6"}
    other = {**text, "rid": "the tree", "slots": [8]}
    cursor = {"invariant": "INV-4", "key": "k", "text": "t", "request": "r", "session": None, "size": -1}
    found = event(auditor, engine, seen(misreads=[text], reread=[other], breaches=[cursor]))
    assert [kind for kind, *_ in found] == ["corrupt", "watermark", "corrupt"]


def test_an_alarm_of_the_release_detects_what_is_open_and_is_cleared(auditor, engine):
    engine.alarm = ("busy check", "Pool Mem Leak")
    event(auditor, engine, seen(-1, lost=1, faults=[orphan(1)]))
    assert [(v.detected_by, v.latency_events) for v in auditor.verdicts] == [("busy check", 0)]
    assert engine.alarm is None


def test_iterations_are_counted_from_the_steps(auditor, engine):
    for number, kind in enumerate(["open", "submit", "step", "step"]):
        event(auditor, engine, seen(), kind, number)
    event(auditor, engine, seen(6), "abort", 4)
    assert auditor.verdicts[0].iteration == 2


def test_a_crash_before_its_batch_was_chosen_books_nothing_that_is_on_its_way(auditor, engine):
    auditor.begin(1, 0.0, "step")
    engine.seen = seen(-4, lost=4, faults=[orphan(4)])
    auditor.crash(EngineCrash("AssertionError", "x"))
    assert [v.verdict for v in auditor.verdicts] == ["crash"]


def test_books_that_stand_half_way_are_not_looked_at_for_a_text_that_was_misread(auditor, engine):
    text = {"rid": "r", "session": None, "what": "position 3", "size": 1, "slots": [7]}
    auditor.begin(1, 0.0, "step")
    engine.seen = seen(-4, lost=4, misreads=[text])
    auditor.crash(EngineCrash("AssertionError", "x"))
    assert [v.verdict for v in auditor.verdicts] == ["corrupt", "crash"]


def test_a_crash_after_that_books_what_the_event_lost(auditor, engine):
    auditor.begin(1, 0.0, "step")
    engine.seen = seen(-4, lost=4, faults=[orphan(4)], chosen=True, about=["a/2", "a"])
    auditor.crash(EngineCrash("AssertionError", "x"))
    assert [(v.verdict, v.request, v.detected_by) for v in auditor.verdicts] == [
        ("leak", "a/1", "crash"), ("crash", "a/2", "crash"),
    ]  # fmt: skip


def test_a_release_that_cannot_tell_its_books_keeps_those_it_told_last(auditor, engine):
    event(auditor, engine, seen())
    engine.seen = {key: value for key, value in seen(lost=4, faults=[orphan(4)], chosen=True).items() if key != "terms"}
    auditor.crash(EngineCrash("AssertionError", "x"))
    assert auditor.books()["full"].sum == 100
    assert [v.verdict for v in auditor.verdicts] == ["silent", "crash"]


def test_stuck_names_the_first_that_waits(auditor, engine):
    event(auditor, engine, seen(waiting=["a/9", "a", 3, "swa"]))
    verdict = auditor.stuck("nothing moves")
    assert (verdict.request, verdict.session, verdict.size, verdict.pool) == ("a/9", "a", 3, "swa")
    assert verdict.message.startswith("nothing moves: admission finds no room in the swa pool; available ")


def test_the_end_looks_once_more(auditor, engine):
    event(auditor, engine, seen())
    engine.last = seen(-2, lost=2)
    auditor.finish()
    assert (engine.looked, [v.verdict for v in auditor.verdicts]) == (1, ["leak"])


def test_an_engine_that_was_not_watched_shows_nothing(auditor, engine):
    assert event(auditor, engine, {}) == []
