"""The judge on evidence made by hand: each row of the verdict table, and what it makes of an event in all."""

import pytest

from sim.engines.protocol import POOLS, EngineCrash, Terms
from sim.ledger.docket import MOST_VERDICTS
from sim.ledger.findings import Breach, Miscount, Misread, PoolCount
from sim.ledger.judge import Judge
from sim.ledger.owners import Context, Fault

TOTAL = 100


def terms(delta=0, *, held=10, uncached=20):
    """Terms of 100 tokens that are off by `delta`."""
    return Terms(40 + delta, 20, 10, held, uncached, 70 + held + uncached)


def books(delta=0, *, pool="full", **more):
    """The books of all pools, those of one of them off by `delta`."""
    return {name: terms(delta if name == pool else 0, **more) for name in POOLS}


def count(lost=0, extra=0, pool="full"):
    return PoolCount(pool, lost, extra, tuple(range(lost))[:16], tuple(range(50, 50 + extra))[:16])


def counted(*counts):
    """All pools and the rows, sound but for these."""
    return {name: count(pool=name) for name in (*POOLS, "rows")} | {one.pool: one for one in counts}


class Evidence:
    """What is found whenever the judge asks."""

    def __init__(self):
        self.wrong = []
        self.asked = 0
        self.found = counted()

    def counts(self):
        self.asked += 1
        return self.found

    def miscounts(self, pool):
        return [wrong for wrong in self.wrong if wrong.pool == pool]


@pytest.fixture
def evidence():
    return Evidence()


@pytest.fixture
def judge(evidence):
    at = Context(event=7, iteration=5, time=1.5, op="step", request="r", session="s")
    return Judge(at, evidence, books(), 1)


def fault(kind, size, pool="full", **more):
    made = {"kind": kind, "pool": pool, "what": "it happened", "count": size, "units": [1], "event": 6}
    return Fault(**made, iteration=4, time=1.0, op="abort", **{"request": "q", "session": None, **more})


def shown(judge):
    return [(v.verdict, v.pool, v.size) for v in judge.docket.opened()]


# -- the table ----------------------------------------------------------------------------------------------


def test_books_that_balance_over_a_sound_ledger_are_clean(judge):
    judge.judge(books())
    assert shown(judge) == []


@pytest.mark.parametrize("pool", POOLS)
def test_books_off_over_a_sound_ledger_are_a_false_alarm_and_name_who_is_counted_wrongly(judge, evidence, pool):
    evidence.wrong = [Miscount("a", "a/2", 26, 20, "session a owns 20, the books count 26", pool)]
    evidence.wrong += [Miscount("b", None, 1, 2, "of another pool", other) for other in POOLS if other != pool]
    judge.judge(books(6, pool=pool))
    (alarm,) = judge.docket.opened()
    assert (alarm.verdict, alarm.pool, alarm.size, alarm.invariant) == ("false-alarm", pool, 6, "INV-1")
    assert (alarm.request, alarm.session) == ("a/2", "a")
    assert alarm.cause.what == "session a owns 20, the books count 26"


@pytest.mark.parametrize(
    ("kind", "lost", "extra", "expected"),
    [
        ("orphan", 3, 0, ("leak", -3)),
        ("double-free", 0, 3, ("double-free", 3)),
        ("foreign-free", 0, 3, ("alias", 3)),
        ("alias", 0, 3, ("alias", 3)),
    ],
)
@pytest.mark.parametrize("pool", POOLS)
def test_a_posting_that_went_wrong_and_moved_the_books_is_what_it_did(
    judge, evidence, kind, lost, extra, expected, pool
):
    evidence.found = counted(count(lost, extra, pool))
    judge.judge(books(extra - lost, pool=pool), faults=[fault(kind, 3, pool)], touched=True)
    (verdict,) = judge.docket.opened()
    assert (verdict.verdict, verdict.size) == expected
    assert verdict.pool == pool
    assert "off by -3" in verdict.message or "off by +3" in verdict.message
    assert (verdict.invariant, verdict.request, verdict.session) == ("INV-3", "q", None)
    assert (verdict.event, verdict.cause.event, verdict.cause.op, verdict.cause.slots) == (7, 6, "abort", [1])


@pytest.mark.parametrize(("lost", "extra", "size"), [(4, 0, -4), (0, 4, 4)])
@pytest.mark.parametrize("pool", POOLS)
def test_books_that_balance_over_a_ledger_that_is_not_sound_are_silent(judge, lost, extra, size, pool):
    judge.recounted(counted(count(lost, extra, pool)))
    (verdict,) = judge.docket.opened()
    assert (verdict.verdict, verdict.pool, verdict.size) == ("silent", pool, size)
    assert verdict.message.startswith("leak: " if lost else "alias: ")


def test_a_text_that_is_wrong_is_corrupt_whatever_is_counted(judge):
    judge.judge(books(), misreads=[Misread("r", "s", "position 3 should hold 7", 2, (9,))])
    (verdict,) = judge.docket.opened()
    assert (verdict.verdict, verdict.size, verdict.invariant, verdict.cause.slots) == ("corrupt", 2, "INV-6", [9])


@pytest.mark.parametrize(
    ("invariant", "expected"),
    [("INV-4", ("watermark", "full", -2)), ("INV-7", ("watermark", "full", -2)), ("INV-5", ("alias", "rows", -2))],
)
def test_a_cursor_out_of_order_and_a_row_with_two(judge, invariant, expected):
    judge.judge(books(), breaches=[Breach(invariant, "key", "text", "r", "s", -2)])
    assert shown(judge) == [expected]


def test_more_held_and_uncached_than_there_is_passes_a_limit_once(judge):
    over = {**books(), "full": Terms(-20, 0, 0, 60, 60, TOTAL), "swa": Terms(-1, 0, 0, 1, 100, TOTAL)}
    judge.judge(over)
    judge.judge(over)
    assert [(v.invariant, v.pool, v.size) for v in judge.docket.opened()] == [
        ("INV-2", "full", 20),
        ("INV-2", "swa", 1),
    ]


@pytest.mark.parametrize(("kind", "invariant"), [("RuntimeError", "INV-8"), ("AttributeError", "INV-3")])
def test_a_crash_is_seen_by_itself_and_shows_what_nobody_had_seen(judge, evidence, kind, invariant):
    judge.recounted(counted(count(lost=1)))
    judge.crash(EngineCrash(kind, "no row"))
    before, crash = judge.docket.opened()
    assert (crash.verdict, crash.size, crash.invariant, crash.detected_by) == ("crash", 0, invariant, "crash")
    assert before.detected_by == "crash"


def test_work_that_waits_for_ever_is_stuck(judge):
    verdict = judge.stuck("2 wait", "a/1", "a", 2)
    assert (verdict.verdict, verdict.size, verdict.invariant) == ("stuck", 2, "INV-9")
    assert (verdict.request, verdict.session) == ("a/1", "a")
    assert verdict.pool == "full"
    assert "no room" not in verdict.message


def test_work_that_waits_names_the_pool_that_was_short(judge):
    verdict = judge.stuck("2 wait", "a/1", "a", 2, "swa")
    assert verdict.pool == "swa"
    assert verdict.cause.what == "2 wait: admission finds no room in the swa pool"


@pytest.mark.parametrize(
    ("kind", "message", "pool", "invariant"),
    [
        ("AssertionError", "Can not alloc mamba cache", "mamba", "INV-8"),
        ("RuntimeError", "alloc_req_slots runs out of memory.", "rows", "INV-8"),
        ("RuntimeError", "CUDA error", "full", "INV-8"),
        ("AssertionError", "", "full", "INV-3"),
    ],
)
def test_a_crash_for_want_of_something_is_of_the_pool_that_had_none_left(judge, kind, message, pool, invariant):
    crash = judge.crash(EngineCrash(kind, message))
    assert (crash.pool, crash.invariant) == (pool, invariant)


# -- several things at once ---------------------------------------------------------------------------------


def test_a_false_alarm_does_not_hide_a_loss_of_the_same_event(judge, evidence):
    evidence.found = counted(count(lost=4))
    judge.judge(books(12), faults=[fault("orphan", 4)], touched=True)
    assert shown(judge) == [("leak", "full", -4), ("false-alarm", "full", 16)]


def test_a_loss_beyond_what_the_postings_show_is_a_finding_of_its_own(judge, evidence):
    evidence.found = counted(count(lost=5))
    judge.judge(books(-5), faults=[fault("orphan", 2)], touched=True)
    assert shown(judge) == [("leak", "full", -2), ("leak", "full", -3)]


def test_before_the_check_is_blamed_the_memory_is_counted(judge, evidence):
    evidence.found = counted(count(lost=3))
    judge.judge(books(-3))
    assert evidence.asked == 1
    assert shown(judge) == [("leak", "full", -3)]


def test_what_is_known_is_told_once(judge, evidence):
    evidence.found = counted(count(lost=3))
    judge.judge(books(-3), faults=[fault("orphan", 3)], touched=True)
    judge.recounted(evidence.counts())
    judge.judge(books(-3))
    judge.judge(books(-3), breaches=[Breach("INV-4", "key", "text", "r", "s", -2)] * 2)
    assert shown(judge) == [("leak", "full", -3), ("watermark", "full", -2)]


def test_what_a_recount_finds_names_the_event_and_whom_it_is_about(judge, evidence):
    judge.recounted(counted(count(lost=2), count(extra=1, pool="rows")))
    slots, row = judge.docket.opened()
    assert (slots.request, slots.session, slots.cause.slots, slots.cause.count) == ("r", "s", [0, 1], 2)
    assert "found by the recount" in slots.cause.what
    assert (row.verdict, row.pool, row.size, row.cause.slots) == ("alias", "rows", 1, [50])


def test_rows_that_belong_to_nobody(judge, evidence):
    judge.recounted(counted(count(lost=2, pool="rows")))
    assert shown(judge) == [("leak", "rows", -2)]


def test_where_the_books_cannot_be_told_only_the_damage_is_judged(judge, evidence):
    evidence.found = counted(count(lost=2))
    judge.judge(None, faults=[fault("orphan", 2)], touched=True)
    assert [size for _, _, size in shown(judge)] == [-2]


def test_a_check_that_fails_sees_what_sums_can_show_and_only_once(judge, evidence):
    judge.judge(books(6), misreads=[Misread("r", None, "wrong", 1, (9,))])
    judge.docket.detected("busy check")
    judge.docket.at.event = 9
    judge.docket.detected("idle check")
    assert {v.verdict: (v.detected_by, v.detected_event) for v in judge.docket.verdicts} == {
        "false-alarm": ("busy check", 7),
        "corrupt": ("never", None),
    }


def test_each_pool_is_judged_by_itself(judge, evidence):
    """A loss that one pool's books show is silent in another whose books balance over it."""
    evidence.found = counted(count(lost=3), count(lost=3, pool="swa"))
    faults = [fault("orphan", 3), fault("orphan", 3, "swa")]
    judge.judge(books(-3), faults=faults, touched=True)
    assert shown(judge) == [("leak", "full", -3), ("silent", "swa", -3)]


def test_a_text_of_another_pool_at_the_same_place_is_another_finding(judge):
    judge.misread([Misread("r", None, "wrong", 1, (9,)), Misread("r", None, "wrong", 1, (9,), pool="swa")] * 2)
    assert [v.pool for v in judge.docket.opened()] == ["full", "swa"]


@pytest.mark.parametrize(
    ("by", "message", "seen"),
    [
        ("busy check", "Full Pool Mem Leak Detected! [full] …", {"full"}),
        ("busy check", "SWA Pool Mem Leak Detected! [swa] …", {"swa"}),
        ("idle check", "pool memory leak detected! [full] …", {"full", "swa", "mamba", "rows"}),
        ("idle check", "req_to_token_pool memory leak detected!available_size=3", {"rows"}),
    ],
)
def test_a_check_that_fails_sees_the_pools_that_it_looks_at(judge, evidence, by, message, seen):
    evidence.found = counted(*(count(lost=1, pool=pool) for pool in (*POOLS, "rows")))
    faults = [fault("orphan", 1, pool) for pool in (*POOLS, "rows")]
    judge.judge({pool: terms(-1) for pool in POOLS}, faults=faults, touched=True)
    judge.alarm(by, message)
    assert {v.pool for v in judge.docket.verdicts if v.detected_by == by} == seen


def test_an_idle_check_that_leaves_out_what_sessions_hold_is_wrong_by_itself(judge):
    """0.5.10 takes every state that is in use for the tree's: the books balance, its check does not."""
    for _ in range(2):
        judge.alarm("idle check", "token_to_kv_pool_allocator memory leak detected! leaked_mamba_pages={3}")
    (alarm,) = judge.docket.opened()
    assert (alarm.verdict, alarm.pool, alarm.size, alarm.detected_by) == ("false-alarm", "mamba", -10, "idle check")


def test_beyond_a_thousand_verdicts_they_are_only_counted(judge):
    for i in range(MOST_VERDICTS + 5):
        judge.breach(Breach("INV-4", f"key {i}", "text", None, None, -1))
    assert (len(judge.docket.verdicts), judge.docket.unlisted) == (MOST_VERDICTS, 5)


def test_books_that_balance_over_more_damage_are_silent_and_no_false_alarm(judge, evidence):
    """What comes back of it later is no news."""
    for extra, news in ((3, [3]), (5, [2]), (2, []), (0, [])):
        evidence.found = counted(count(), count(extra=extra, pool="swa"))
        judge.judge(books(0), touched=True)
        assert shown(judge) == [("silent", "swa", size) for size in news]


def test_what_was_posted_of_one_pool_and_harms_another_is_no_false_alarm_there(judge, evidence):
    """The other pool's books were off already, for another reason; they do not know of the harm."""
    evidence.wrong = [Miscount(None, None, 16, 0, "a node", "swa")]
    judge.judge(books(16, pool="swa"))
    evidence.found = counted(count(extra=32), count(extra=32, pool="swa"))
    judge.judge(books(16, pool="swa"), faults=[fault("alias", 32)], touched=True)
    judge.judge(books(16, pool="swa"))
    assert [(v.verdict, v.pool, v.size) for v in judge.docket.verdicts] == [
        ("false-alarm", "swa", 16), ("silent", "full", 32), ("alias", "swa", 32),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pool", "slots"),
    [("full", [8, 9, 10, 11, 20, 21, 22, 23]), ("swa", [8, 9, 10, 11, 20, 21, 22, 23]), ("mamba", [2, 5])],
)
def test_a_cause_names_slots_also_where_pages_are_owned_as_one(evidence, pool, slots):
    judge = Judge(Context(event=7), evidence, books(), 4)
    lost = PoolCount(pool, len(slots), 0, (2, 5), ())
    judge.recounted(counted(count(0, 0)) | {pool: lost})
    (verdict,) = judge.docket.opened()
    assert verdict.cause.slots == slots
